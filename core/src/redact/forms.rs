//! The spellings of a secret: as it is, in a URL, in JSON, in base64, quoted for a shell.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use super::SECRET_CHARS_MIN;

/// A single line of a longer secret is a pattern of its own from this length on.
const LINE_CHARS_MIN: usize = 8;

/// A piece of base64 that a secret makes at any offset; shorter pieces would match by chance.
const CORE_CHARS_MIN: usize = 8;

/// Every spelling of `secret`; none when it is too short to be masked.
pub(super) fn of(secret: &str) -> Vec<String> {
    let mut found = Vec::new();
    spell(secret, SECRET_CHARS_MIN, &mut found);
    let trimmed = secret.trim();
    if trimmed.len() != secret.len() {
        spell(trimmed, SECRET_CHARS_MIN, &mut found);
    }
    if trimmed.contains('\n') {
        for line in trimmed.lines() {
            spell(line.trim(), LINE_CHARS_MIN, &mut found);
        }
    }
    found
}

fn spell(text: &str, chars_min: usize, found: &mut Vec<String>) {
    if text.chars().count() < chars_min {
        return;
    }
    let json = serde_json::Value::from(text).to_string();
    let json = &json[1..json.len() - 1];
    found.extend([
        text.to_owned(),
        json.to_owned(),
        ascii_json(json),
        text.replace('\'', r"'\''"),
        text.replace('\'', r#"'"'"'"#),
        text.replace('\'', r"\'"),
        backslashed(text),
        percent(text, "-_.~", true, "%20"),
        percent(text, "-_.~", false, "%20"),
        percent(text, "-_.~", true, "+"),
        percent(text, "-_.~!$&'()*+,;=:@/", true, "%20"),
    ]);
    base64_pieces(text.as_bytes(), found);
    found.sort_unstable();
    found.dedup();
}

/// JSON as Python writes it: everything outside ASCII as `\uXXXX`.
fn ascii_json(json: &str) -> String {
    let mut out = String::new();
    for character in json.chars() {
        if character.is_ascii() {
            out.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}").expect("a String takes everything");
            }
        }
    }
    out
}

/// As `printf %q` writes it: a backslash before whatever a shell would read.
fn backslashed(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        if character.is_ascii()
            && !character.is_ascii_alphanumeric()
            && !"_-./:@%+,=".contains(character)
        {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

/// Percent-encoding that leaves letters, digits and `plain`.
fn percent(text: &str, plain: &str, upper: bool, space: &str) -> String {
    let mut out = String::new();
    for &byte in text.as_bytes() {
        let character = char::from(byte);
        if character.is_ascii_alphanumeric() || (byte.is_ascii() && plain.contains(character)) {
            out.push(character);
        } else if byte == b' ' {
            out.push_str(space);
        } else if upper {
            write!(out, "%{byte:02X}").expect("a String takes everything");
        } else {
            write!(out, "%{byte:02x}").expect("a String takes everything");
        }
    }
    out
}

/// What base64 makes of the secret, alone and in the middle of something longer. The characters
/// at the borders depend on the neighbours and are left out, and so is the padding.
fn base64_pieces(bytes: &[u8], found: &mut Vec<String>) {
    for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
        let alone = engine.encode(bytes);
        found.push(format!("{alone}{}", &"==="[..(4 - alone.len() % 4) % 4]));
        found.push(alone);
        for before in 0..3_usize {
            let mut shifted = vec![0; before];
            shifted.extend_from_slice(bytes);
            let coded = engine.encode(&shifted);
            let start = (before * 8).div_ceil(6);
            let end = shifted.len() * 8 / 6;
            if end >= start + CORE_CHARS_MIN {
                found.push(coded[start..end].to_owned());
            }
        }
    }
}
