//! Reads a rendered command as a POSIX shell (and bash) does, to know where each mark stands.
//!
//! Owns quotes, substitutions, here-documents and comments, as far as they decide how inserted
//! text is read. Text without marks passes through byte for byte, valid or not. A mark in a place
//! that quoting cannot protect is refused.

use super::command::{Closer, Command, Nesting};
use super::{END, INPUT, QUOTED, ShellFault};

/// Quotes the marked parts of a rendered command.
pub(crate) fn resolve(marked: &str) -> Result<String, ShellFault> {
    if !marked.contains([INPUT, QUOTED, END]) {
        return Ok(marked.to_string());
    }
    let mut lexer = Lexer {
        chars: marked.chars().collect(),
        at: 0,
        out: String::with_capacity(marked.len() + 16),
        frames: vec![Frame::command(Closer::Nothing)],
        here_documents: Vec::new(),
    };
    lexer.run()?;
    Ok(lexer.out)
}

#[derive(Debug)]
/// What the text at hand is part of.
pub(super) enum Frame {
    /// Unquoted command text.
    Command(Command),
    Double,
    Single,
    Ansi,
    /// `${…}`.
    Parameter,
    /// `$((…))`, `((…))` or `$[…]`, with its open brackets.
    Arithmetic {
        close: char,
        depth: usize,
        twice: bool,
    },
    Comment,
    /// The body of a here-document.
    Here(HereDocument),
}

#[derive(Clone, Debug)]
pub(super) struct HereDocument {
    pub(super) delimiter: String,
    pub(super) quoted: bool,
    pub(super) strip_tabs: bool,
    /// Whether a shell on the same line may read it as its script.
    pub(super) is_script: bool,
    /// Where the current line begins in the output, and whether it holds inserted text.
    pub(super) line_start: usize,
    pub(super) has_insert: bool,
}

impl Frame {
    fn command(closer: Closer) -> Frame {
        Frame::Command(Command::new(closer))
    }
}

/// Reads a command from its start; `frames` says where it stands.
pub(super) struct Lexer {
    pub(super) chars: Vec<char>,
    pub(super) at: usize,
    pub(super) out: String,
    pub(super) frames: Vec<Frame>,
    /// Here-documents whose bodies begin at the next line.
    here_documents: Vec<HereDocument>,
}

impl Lexer {
    fn run(&mut self) -> Result<(), ShellFault> {
        while let Some(c) = self.peek(0) {
            if c == INPUT || c == QUOTED {
                self.insert(c)?;
                continue;
            }
            if c == END {
                return Err(self.fault("a value contains a Unicode noncharacter"));
            }
            match self.frames.last() {
                Some(Frame::Command(_)) => self.command_char(c)?,
                Some(Frame::Double) => self.double_char(c),
                Some(Frame::Single) => self.closing_char(c, '\''),
                Some(Frame::Ansi) => {
                    if c == '\\' {
                        self.take();
                        self.take_any();
                    } else {
                        self.closing_char(c, '\'');
                    }
                }
                Some(Frame::Parameter) => self.parameter_char(c),
                Some(Frame::Arithmetic { .. }) => self.arithmetic_char(c),
                Some(Frame::Comment) => {
                    if c == '\n' {
                        self.frames.pop();
                    } else {
                        self.take();
                    }
                }
                Some(Frame::Here(_)) => self.here_char(c)?,
                None => return Err(self.fault("the command's quotes do not match")),
            }
        }
        self.finish()
    }

    /// At the end every quote must be closed: else the places of the marks were misread.
    fn finish(&mut self) -> Result<(), ShellFault> {
        while matches!(self.frames.last(), Some(Frame::Comment)) {
            self.frames.pop();
        }
        if let Some(Frame::Here(_)) = self.frames.last() {
            self.end_here_line()?;
            if matches!(self.frames.last(), Some(Frame::Here(_))) {
                return Err(self.fault(
                    "a here-document has no closing line; input cannot be placed in it safely",
                ));
            }
        }
        if self.frames.len() != 1 {
            return Err(self.fault(
                "the command's quotes or parentheses do not match, so input cannot be placed in it safely",
            ));
        }
        Ok(())
    }

    fn command_char(&mut self, c: char) -> Result<(), ShellFault> {
        match c {
            '\\' => {
                self.word_char('\\');
                self.take();
                if self.peek(0) == Some('\n') {
                    self.take();
                } else {
                    self.take_any();
                }
            }
            '\'' => self.open(Frame::Single, 1),
            '"' => self.open(Frame::Double, 1),
            '`' => self.backquote(),
            '$' => self.dollar(),
            '#' if self.command().is_some_and(|command| command.word.is_none()) => {
                self.frames.push(Frame::Comment);
            }
            '<' if self.peek(1) == Some('<') && self.peek(2) == Some('<') => {
                self.command_mut(Command::end_word);
                self.take_many(3);
            }
            '<' if self.peek(1) == Some('<') => self.here_operator()?,
            '(' if self.peek(1) == Some('(')
                && self.command().is_some_and(|command| {
                    command.word.is_none() && (command.words.is_empty() || command.words == ["for"])
                }) =>
            {
                self.take_many(2);
                self.frames.push(Frame::Arithmetic { close: ')', depth: 0, twice: true });
            }
            '(' => {
                self.take();
                self.command_mut(|command| {
                    command.end_command();
                    command.nesting.push(Nesting::Paren);
                });
            }
            ')' => self.close_paren(),
            '\n' => self.newline(),
            ';' | '&' | '|' => {
                self.take();
                self.command_mut(Command::end_command);
            }
            ' ' | '\t' | '<' | '>' => {
                self.take();
                self.command_mut(Command::end_word);
            }
            _ => {
                self.word_char(c);
                self.take();
            }
        }
        Ok(())
    }

    fn double_char(&mut self, c: char) {
        match c {
            '\\' => {
                self.take();
                self.take_any();
            }
            '"' => {
                self.take();
                self.frames.pop();
            }
            '`' => self.backquote(),
            '$' => self.dollar(),
            _ => {
                self.word_char(c);
                self.take();
            }
        }
    }

    fn closing_char(&mut self, c: char, close: char) {
        self.take();
        if c == close {
            self.frames.pop();
        } else {
            self.word_char(c);
        }
    }

    fn parameter_char(&mut self, c: char) {
        match c {
            '\\' => {
                self.take();
                self.take_any();
            }
            '}' => {
                self.take();
                self.frames.pop();
            }
            '"' => self.open(Frame::Double, 1),
            // Inside "${…}" a single quote is an ordinary character.
            '\'' if !self.inside_double() => self.open(Frame::Single, 1),
            '`' => self.backquote(),
            '$' => self.dollar(),
            _ => self.take(),
        }
    }

    fn arithmetic_char(&mut self, c: char) {
        let next = self.peek(1);
        let Some(Frame::Arithmetic { close, depth, twice }) = self.frames.last_mut() else {
            return;
        };
        let open = if *close == ')' { '(' } else { '[' };
        if c == open {
            *depth += 1;
        } else if c == *close && *depth > 0 {
            *depth -= 1;
        } else if c == *close && (!*twice || next == Some(*close)) {
            let length = if *twice { 2 } else { 1 };
            self.take_many(length);
            self.frames.pop();
            return;
        } else if c == '$' {
            self.dollar();
            return;
        } else if c == '`' {
            self.backquote();
            return;
        }
        self.take();
    }

    fn here_char(&mut self, c: char) -> Result<(), ShellFault> {
        if c == '\n' {
            return self.end_here_line();
        }
        let quoted = matches!(self.frames.last(), Some(Frame::Here(here)) if here.quoted);
        match c {
            '\\' if !quoted => {
                self.take();
                if self.peek(0) != Some('\n') {
                    self.take_any();
                }
            }
            '`' if !quoted => self.backquote(),
            '$' if !quoted => self.dollar(),
            _ => self.take(),
        }
        Ok(())
    }

    /// Ends a line of a here-document: its delimiter closes it, unless input wrote it.
    fn end_here_line(&mut self) -> Result<(), ShellFault> {
        let at_end = self.peek(0).is_none();
        let Some(Frame::Here(here)) = self.frames.last() else { return Ok(()) };
        let mut lines = self.out[here.line_start..]
            .split('\n')
            .map(|line| if here.strip_tabs { line.trim_start_matches('\t') } else { line });
        let closes = lines.any(|line| line == here.delimiter);
        if closes && here.has_insert {
            let message = format!(
                "input would end the here-document (a line \"{}\"); choose another delimiter",
                here.delimiter
            );
            return Err(self.fault(&message));
        }
        if closes {
            self.frames.pop();
            if !self.here_documents.is_empty() {
                if !at_end {
                    self.take();
                }
                self.open_here_document();
            }
            return Ok(());
        }
        if !at_end {
            self.take();
        }
        let line_start = self.out.len();
        if let Some(Frame::Here(here)) = self.frames.last_mut() {
            here.line_start = line_start;
            here.has_insert = false;
        }
        Ok(())
    }

    fn newline(&mut self) {
        self.take();
        let mut names_shell = false;
        self.command_mut(|command| {
            command.end_command();
            names_shell = std::mem::take(&mut command.names_shell);
        });
        for here in &mut self.here_documents {
            here.is_script |= names_shell;
        }
        if !self.here_documents.is_empty() {
            self.open_here_document();
        }
    }

    fn open_here_document(&mut self) {
        let mut here = self.here_documents.remove(0);
        here.line_start = self.out.len();
        self.frames.push(Frame::Here(here));
    }

    /// `<<EOF`, `<<-EOF`, `<<'EOF'`.
    fn here_operator(&mut self) -> Result<(), ShellFault> {
        self.command_mut(Command::end_word);
        self.take_many(2);
        let strip_tabs = self.peek(0) == Some('-');
        if strip_tabs {
            self.take();
        }
        while matches!(self.peek(0), Some(' ' | '\t')) {
            self.take();
        }
        let (mut delimiter, mut quoted, mut quote) = (String::new(), false, None);
        while let Some(c) = self.peek(0) {
            match (c, quote) {
                (INPUT | QUOTED, _) => {
                    return Err(self.fault("input cannot be the delimiter of a here-document"));
                }
                ('\'' | '"', None) => {
                    quoted = true;
                    quote = Some(c);
                }
                (c, Some(open)) if c == open => quote = None,
                ('\\', None) => {
                    quoted = true;
                    self.take();
                    delimiter.extend(self.peek(0));
                }
                (' ' | '\t' | '\n' | ';' | '&' | '|' | '<' | '>' | '(' | ')', None) => break,
                _ => delimiter.push(c),
            }
            self.take();
        }
        self.here_documents.push(HereDocument {
            delimiter,
            quoted,
            strip_tabs,
            is_script: false,
            line_start: 0,
            has_insert: false,
        });
        Ok(())
    }

    fn dollar(&mut self) {
        self.word_char('$');
        match (self.peek(1), self.peek(2)) {
            (Some('('), Some('(')) => {
                self.take_many(3);
                self.frames.push(Frame::Arithmetic { close: ')', depth: 0, twice: true });
            }
            (Some('('), _) => self.open(Frame::command(Closer::Paren), 2),
            (Some('{'), _) => self.open(Frame::Parameter, 2),
            (Some('['), _) => {
                self.take_many(2);
                self.frames.push(Frame::Arithmetic { close: ']', depth: 0, twice: false });
            }
            (Some('\''), _) if matches!(self.frames.last(), Some(Frame::Command(_))) => {
                self.open(Frame::Ansi, 2);
            }
            // `$#`, `$$` and the like are whole: their second character opens nothing.
            (Some('#' | '$' | '?' | '!' | '@' | '*' | '-'), _) => self.take_many(2),
            _ => self.take(),
        }
    }

    fn backquote(&mut self) {
        let closes = matches!(
            self.frames.last(),
            Some(Frame::Command(Command { closer: Closer::Backquote, .. }))
        );
        if closes {
            self.take();
            self.frames.pop();
        } else {
            self.open(Frame::command(Closer::Backquote), 1);
        }
    }

    fn close_paren(&mut self) {
        self.take();
        let Some(Frame::Command(command)) = self.frames.last_mut() else { return };
        command.end_command();
        match command.nesting.last() {
            Some(Nesting::Paren) => {
                command.nesting.pop();
            }
            None if command.closer == Closer::Paren => {
                self.frames.pop();
            }
            Some(Nesting::Case) | None => {}
        }
    }

    fn inside_double(&self) -> bool {
        self.frames.iter().rev().find_map(|frame| match frame {
            Frame::Double | Frame::Here(_) => Some(true),
            Frame::Command(_) => Some(false),
            _ => None,
        }) == Some(true)
    }

    fn command(&self) -> Option<&Command> {
        match self.frames.last() {
            Some(Frame::Command(command)) => Some(command),
            _ => None,
        }
    }

    fn command_mut(&mut self, change: impl FnOnce(&mut Command)) {
        if let Some(Frame::Command(command)) = self.frames.last_mut() {
            change(command);
        }
    }

    /// Adds a character to the word of the innermost command, also from inside its quotes.
    pub(super) fn word_char(&mut self, c: char) {
        let command = self.frames.iter_mut().rev().find_map(|frame| match frame {
            Frame::Command(command) => Some(command),
            _ => None,
        });
        if let Some(command) = command {
            command.push(c);
        }
    }

    fn open(&mut self, frame: Frame, length: usize) {
        // An opening quote begins a word, even an empty one.
        self.command_mut(|command| {
            command.word.get_or_insert_default();
        });
        self.take_many(length);
        self.frames.push(frame);
    }

    pub(super) fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn take(&mut self) {
        if let Some(c) = self.peek(0) {
            self.out.push(c);
            self.at += 1;
        }
    }

    fn take_many(&mut self, count: usize) {
        for _ in 0..count {
            self.take();
        }
    }

    /// Takes the character after a backslash, unless it is a mark.
    fn take_any(&mut self) {
        if !matches!(self.peek(0), Some(INPUT | QUOTED | END)) {
            self.take();
        }
    }

    pub(super) fn fault(&self, message: &str) -> ShellFault {
        ShellFault { line: self.out.matches('\n').count() + 1, message: message.to_string() }
    }
}
