//! Writes input into a command: decides how a marked part is quoted where the lexer stands.
//!
//! Owns the refusals: places in which no quoting keeps input from being read as code.

use super::command::Closer;
use super::lexer::{Frame, Lexer};
use super::{END, INPUT, QUOTED, ShellFault, quote};

impl Lexer {
    /// Writes one marked part, quoted for its place.
    pub(super) fn insert(&mut self, kind: char) -> Result<(), ShellFault> {
        let before = self.at.checked_sub(1).and_then(|at| self.chars.get(at).copied());
        let open = self.at + 1;
        let length = self.chars[open..].iter().position(|c| matches!(*c, INPUT | QUOTED | END));
        let Some(length) = length.filter(|length| self.chars[open + length] == END) else {
            return Err(self.fault("a value contains a Unicode noncharacter"));
        };
        let text: String = self.chars[open..open + length].iter().collect();
        if text.contains('\0') {
            return Err(self.fault("input contains a NUL byte, which no command can take"));
        }
        // A dollar that the shell still has to read: an escaped one was taken with its backslash.
        let dollar = before == Some('$') && !backslash_is_open(self.out.trim_end_matches('$'));
        let literal = matches!(self.frames.last(), Some(Frame::Single | Frame::Comment))
            || matches!(self.frames.last(), Some(Frame::Here(here)) if here.quoted);
        if dollar && !literal && !matches!(self.frames.last(), Some(Frame::Ansi)) {
            return Err(self.fault(
                "input stands right after \"$\" and would name a variable; write \\$ for a dollar sign",
            ));
        }
        if before == Some('\\') && backslash_is_open(&self.out) && !literal {
            return Err(self.fault("input stands right after a backslash; remove the backslash"));
        }
        self.at = open + length + 1;
        let quoted = self.quoted(kind, &text)?;
        self.word_char('x');
        self.out.push_str(&quoted);
        if let Some(Frame::Here(here)) = self.frames.last_mut() {
            here.has_insert = true;
        }
        Ok(())
    }

    fn quoted(&mut self, kind: char, text: &str) -> Result<String, ShellFault> {
        if self.script_word() {
            return Err(self.fault(
                "input would become part of a script for another shell (sh -c, eval, ssh, …); pass it as an argument, as in bash -c 'echo \"$1\"' _ {{ params.x }}, or write | unquoted",
            ));
        }
        let raw = if kind == QUOTED { quote::unquoted(text) } else { text.to_string() };
        if self.calculated_word() && !is_integer(&raw) {
            return Err(
                self.fault("only a whole number from input may stand where the shell calculates")
            );
        }
        // Quotes inside ${…} mean different things to different shells.
        let in_parameter = self.frames.iter().any(|frame| matches!(frame, Frame::Parameter));
        if in_parameter && !quote::is_plain(&raw) {
            return Err(
                self.fault("input cannot be quoted inside ${…}; assign it first: x={{ params.x }}")
            );
        }
        let quoted = match self.frames.last() {
            Some(Frame::Command(command)) => {
                let first = command.words.is_empty() && command.word.is_none();
                let redirects = matches!(self.peek(0), Some('<' | '>'));
                if kind == QUOTED && !first && !redirects {
                    text.to_string()
                } else if first || redirects {
                    // A bare word here could be an assignment, a keyword or a file descriptor.
                    if kind == QUOTED && text.starts_with('\'') {
                        text.to_string()
                    } else {
                        quote::single_quoted(&raw)
                    }
                } else {
                    quote::quote_text(&raw)
                }
            }
            Some(Frame::Double) => quote::in_double_quotes(&raw),
            Some(Frame::Single) => quote::in_single_quotes(&raw),
            Some(Frame::Ansi) => quote::in_ansi_quotes(&raw),
            Some(Frame::Comment) => quote::in_comment(&raw),
            Some(Frame::Here(here)) if here.quoted => raw.clone(),
            Some(Frame::Here(_)) => quote::in_here_document(&raw),
            Some(Frame::Arithmetic { .. }) if is_integer(&raw) => raw.clone(),
            Some(Frame::Arithmetic { .. }) => {
                return Err(
                    self.fault("only a whole number from input may stand in shell arithmetic")
                );
            }
            Some(Frame::Parameter) | None => raw.clone(),
        };
        self.backquoted(quoted, &raw)
    }

    /// One level of backquotes can be escaped; more, or inside double quotes, cannot be told apart.
    fn backquoted(&self, quoted: String, raw: &str) -> Result<String, ShellFault> {
        let levels: Vec<usize> = self
            .frames
            .iter()
            .enumerate()
            .filter(|(_, frame)| {
                matches!(frame, Frame::Command(command) if command.closer == Closer::Backquote)
            })
            .map(|(index, _)| index)
            .collect();
        match levels.as_slice() {
            [] => Ok(quoted),
            [only] if *only == 1 => Ok(quote::in_backquotes(&quoted)),
            _ if quote::is_plain(raw) => Ok(quoted),
            _ => Err(self.fault("input stands inside nested backquotes; use $(…) instead")),
        }
    }

    /// Whether the word at hand, at any level of nesting, is a script for another shell.
    fn script_word(&self) -> bool {
        !matches!(self.frames.last(), Some(Frame::Comment))
            && self.frames.iter().any(|frame| match frame {
                Frame::Command(command) => command.is_script(),
                Frame::Here(here) => here.is_script,
                _ => false,
            })
    }

    fn calculated_word(&self) -> bool {
        let end = self.chars[self.at..].iter().position(|c| *c == '\n');
        let rest: String = self.chars[self.at..].iter().take(end.unwrap_or(usize::MAX)).collect();
        self.frames
            .iter()
            .any(|frame| matches!(frame, Frame::Command(command) if command.is_calculated(&rest)))
    }
}

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.len() < 19 && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a text ends in a backslash that escapes what follows.
fn backslash_is_open(text: &str) -> bool {
    text.chars().rev().take_while(|c| *c == '\\').count() % 2 == 1
}
