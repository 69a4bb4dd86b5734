//! Masking of a stream that arrives in chunks cut anywhere, also in the middle of a secret.

use std::sync::Arc;

use super::{MASK, Redactor};

/// Masks one stream. Bytes that may be the start of a secret are held back until the next chunk
/// decides; that is never more than the longest secret, and nothing for ordinary text.
#[derive(Debug)]
pub struct RedactStream {
    redactor: Arc<Redactor>,
    held: Vec<u8>,
}

impl RedactStream {
    /// A stream at its beginning.
    pub fn new(redactor: Arc<Redactor>) -> Self {
        Self { redactor, held: Vec::new() }
    }

    /// Takes a chunk and appends what is certain to `out`.
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        let redactor = Arc::clone(&self.redactor);
        let Some(search) = &redactor.search else {
            out.extend_from_slice(chunk);
            return;
        };
        let joined;
        let bytes = if self.held.is_empty() {
            chunk
        } else {
            self.held.extend_from_slice(chunk);
            joined = std::mem::take(&mut self.held);
            &joined[..]
        };
        let mut undecided = redactor.undecided_from(bytes, 0);
        let mut done = 0;
        for found in search.find_iter(bytes) {
            if found.start() >= undecided {
                break;
            }
            out.extend_from_slice(&bytes[done..found.start()]);
            out.extend_from_slice(MASK.as_bytes());
            done = found.end();
            if undecided < done {
                undecided = redactor.undecided_from(bytes, done);
            }
        }
        out.extend_from_slice(&bytes[done..undecided]);
        self.held = bytes[undecided..].to_vec();
    }

    /// The stream has ended: appends what was held back, masked where it is a secret.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        let held = std::mem::take(&mut self.held);
        let mut done = 0;
        if let Some(search) = &self.redactor.search {
            for found in search.find_iter(&held) {
                out.extend_from_slice(&held[done..found.start()]);
                out.extend_from_slice(MASK.as_bytes());
                done = found.end();
            }
        }
        out.extend_from_slice(&held[done..]);
    }
}

impl Redactor {
    /// The first place at or after `from` whose rest is the unfinished start of a pattern; the
    /// length when there is none.
    fn undecided_from(&self, bytes: &[u8], from: usize) -> usize {
        let first = from.max(bytes.len().saturating_sub(self.longest.saturating_sub(1)));
        (first..bytes.len()).find(|&at| self.is_start(&bytes[at..])).unwrap_or(bytes.len())
    }

    fn is_start(&self, rest: &[u8]) -> bool {
        let next = self.patterns.partition_point(|pattern| pattern.as_slice() <= rest);
        self.patterns.get(next).is_some_and(|pattern| pattern.starts_with(rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(secrets: &[&str], chunks: &[&[u8]]) -> String {
        let mut stream = RedactStream::new(Arc::new(Redactor::new(secrets)));
        let mut out = Vec::new();
        for chunk in chunks {
            stream.push(chunk, &mut out);
        }
        stream.finish(&mut out);
        String::from_utf8(out).expect("the chunks are text")
    }

    #[test]
    fn every_cut_of_a_text_gives_the_same() {
        let secrets = ["abcd", "abcdefgh", "defgzz", "xyxyxz"];
        for text in
            ["1 abcdefgh 2 abcd 3 abcdefg4 xyxyxyxz defgzz abc", "abcdabcdefghabcde", "xyxy"]
        {
            let whole = Redactor::new(secrets).redact(text).into_owned();
            let bytes = text.as_bytes();
            for first in 0..=bytes.len() {
                for second in first..=bytes.len() {
                    let cut = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                    assert_eq!(run(&secrets, &cut), whole, "{text} cut at {first}, {second}");
                }
            }
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            assert_eq!(run(&secrets, &single), whole, "{text} byte by byte");
        }
    }

    #[test]
    fn ordinary_text_is_not_held_back() {
        let mut stream = RedactStream::new(Arc::new(Redactor::new(["hunter22"])));
        let mut out = Vec::new();
        stream.push(b"password? ", &mut out);
        assert_eq!(out, b"password? ");
        stream.push(b"hunt", &mut out);
        assert_eq!(out, b"password? ", "may be the secret");
        stream.push(b"ing", &mut out);
        assert_eq!(out, b"password? hunting");
    }
}
