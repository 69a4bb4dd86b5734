//! The simple command at hand while a shell text is read: its words, and what they make of the
//! text inserted after them.
//!
//! Owns command position, nesting of `(` and `case`, and the words that make others a script.

/// What a nested command ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closer {
    Nothing,
    Paren,
    Backquote,
}

#[derive(Debug)]
pub(super) struct Command {
    pub(super) closer: Closer,
    /// The words of the current simple command so far; marks count as one character.
    pub(super) words: Vec<String>,
    /// The word being read; `None` between words.
    pub(super) word: Option<String>,
    /// Open `(` and `case`, innermost last: inside a `case` a `)` ends a pattern.
    pub(super) nesting: Vec<Nesting>,
    /// Inside `[[ … ]]`.
    pub(super) in_test: bool,
    /// Whether this line names a shell, which may read a here-document as its script.
    pub(super) names_shell: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nesting {
    Paren,
    Case,
}

impl Command {
    /// A command that has not begun.
    pub(super) fn new(closer: Closer) -> Command {
        Command {
            closer,
            words: Vec::new(),
            word: None,
            nesting: Vec::new(),
            in_test: false,
            names_shell: false,
        }
    }

    pub(super) fn push(&mut self, c: char) {
        self.word.get_or_insert_default().push(c);
    }

    /// Ends the current word.
    pub(super) fn end_word(&mut self) {
        let Some(word) = self.word.take() else { return };
        if self.words.is_empty() {
            match word.as_str() {
                "case" => self.nesting.push(Nesting::Case),
                "esac" => {
                    if self.nesting.last() == Some(&Nesting::Case) {
                        self.nesting.pop();
                    }
                    return;
                }
                "[[" => self.in_test = true,
                // After these a command begins.
                "if" | "then" | "else" | "elif" | "do" | "while" | "until" | "!" | "{" | "time" => {
                    return;
                }
                _ => {}
            }
        }
        if word == "]]" {
            self.in_test = false;
        }
        self.names_shell |= SHELLS.contains(&base_name(&word)) || base_name(&word) == "ssh";
        self.words.push(word);
    }

    /// Ends the current simple command.
    pub(super) fn end_command(&mut self) {
        self.end_word();
        self.words.clear();
    }

    /// Whether the word being read is a script for another shell.
    pub(super) fn is_script(&self) -> bool {
        let named =
            |wanted: &[&str]| self.words.iter().position(|word| wanted.contains(&base_name(word)));
        if named(&["eval", "trap"]).is_some() {
            return true;
        }
        if let Some(ssh) = named(&["ssh"]) {
            return self.words[ssh + 1..].iter().any(|word| !word.starts_with('-'));
        }
        let Some(last) = self.words.last() else { return false };
        let is_option = last.starts_with('-') && !last.starts_with("--") && last.ends_with('c');
        is_option && named(SHELLS).is_some()
    }

    /// Whether the shell calculates with the word being read: then names and subscripts in it
    /// are evaluated, however it is quoted.
    pub(super) fn is_calculated(&self, rest_of_line: &str) -> bool {
        const OPERATORS: [&str; 6] = ["-eq", "-ne", "-lt", "-le", "-gt", "-ge"];
        let subscript = self.words.is_empty()
            && self.word.as_deref().is_some_and(|word| {
                word.contains('[') && !word.contains(']') && !word.starts_with('[')
            });
        let tested = self.in_test
            && (self.words.last().is_some_and(|word| OPERATORS.contains(&word.as_str()))
                || rest_of_line.split("]]").next().is_some_and(|rest| {
                    rest.split_whitespace().any(|word| OPERATORS.contains(&word))
                }));
        subscript || tested || self.words.first().is_some_and(|word| word == "let")
    }
}

/// Programs that take a script after `-c`.
pub(super) const SHELLS: &[&str] = &["sh", "bash", "dash", "zsh", "ksh", "ash", "su", "fish"];

fn base_name(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}
