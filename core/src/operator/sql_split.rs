//! Splits SQL text into statements, and finds the places of parameters in one, without parsing
//! SQL: only comments and quotes are known, as the dialect knows them.
//!
//! A `DELIMITER` command is not known (it belongs to a client program), nor are bodies of stored
//! procedures: such a text is sent whole with `split_statements: false`.

use std::ops::Range;

/// Whose comments and quotes a text has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// MySQL and MariaDB.
    MySql,
    /// SQLite.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

/// One statement of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statement<'t> {
    /// Its text without the semicolon; comments inside and before it stay.
    pub text: &'t str,
    /// The line in which its first word stands, from 1.
    pub line: usize,
}

/// What a piece of SQL text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// Words, numbers, operators, white space.
    Code,
    /// A semicolon between statements.
    Semicolon,
    /// A string, a quoted name, or a comment that the server runs (`/*! … */`).
    Quoted,
    /// A comment.
    Comment,
}

/// The statements of a text, in order; what holds only comments and white space is none.
pub fn split(text: &str, dialect: Dialect) -> Vec<Statement<'_>> {
    let mut statements = Vec::new();
    let mut start = 0;
    let mut first_word = None;
    let mut end_of = |range: Range<usize>, first_word: Option<usize>| {
        if let Some(first) = first_word {
            let line = text[..first].matches('\n').count() + 1;
            statements.push(Statement { text: text[range].trim(), line });
        }
    };
    for (piece, range) in pieces(text, dialect) {
        match piece {
            Piece::Semicolon => {
                end_of(start..range.start, first_word.take());
                start = range.end;
            }
            Piece::Code if first_word.is_none() => {
                let code = &text[range.clone()];
                first_word = code.find(|c: char| !c.is_whitespace()).map(|at| range.start + at);
            }
            Piece::Quoted if first_word.is_none() => first_word = Some(range.start),
            Piece::Code | Piece::Quoted | Piece::Comment => {}
        }
    }
    end_of(start..text.len(), first_word);
    statements
}

/// The pieces of a text, in order and without gaps.
pub fn pieces(text: &str, dialect: Dialect) -> Vec<(Piece, Range<usize>)> {
    let mut found = Vec::new();
    let mut code_from = 0;
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let piece = if rest.starts_with(';') {
            Some((Piece::Semicolon, 1))
        } else {
            comment(rest, dialect).or_else(|| quoted(text, at, dialect))
        };
        if let Some((piece, size)) = piece {
            if code_from < at {
                found.push((Piece::Code, code_from..at));
            }
            found.push((piece, at..at + size));
            at += size;
            code_from = at;
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    if code_from < text.len() {
        found.push((Piece::Code, code_from..text.len()));
    }
    found
}

/// The length of a comment at the start of `rest`, if there is one.
fn comment(rest: &str, dialect: Dialect) -> Option<(Piece, usize)> {
    let to_line_end = || rest.find('\n').map_or(rest.len(), |end| end + 1);
    if let Some(after) = rest.strip_prefix("--") {
        // MySQL reads `5--1` as 5 - (-1): there the two dashes need white space after them.
        let is_comment = dialect != Dialect::MySql
            || after.chars().next().is_none_or(|c| c.is_whitespace() || c.is_control());
        return is_comment.then(|| (Piece::Comment, to_line_end()));
    }
    if dialect == Dialect::MySql && rest.starts_with('#') {
        return Some((Piece::Comment, to_line_end()));
    }
    if !rest.starts_with("/*") {
        return None;
    }
    let size = block_size(rest, dialect == Dialect::Postgres);
    let is_run = dialect == Dialect::MySql && (rest.starts_with("/*!") || rest.starts_with("/*M!"));
    Some((if is_run { Piece::Quoted } else { Piece::Comment }, size))
}

fn block_size(rest: &str, nested: bool) -> usize {
    let bytes = rest.as_bytes();
    let mut depth = 0_usize;
    let mut at = 0;
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" if depth == 0 || nested => depth += 1,
            b"*/" => {
                depth -= 1;
                if depth == 0 {
                    return at + 2;
                }
            }
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
    }
    rest.len()
}

/// The length of a quoted piece at `at`, if one begins there; an unfinished one goes to the end.
fn quoted(text: &str, at: usize, dialect: Dialect) -> Option<(Piece, usize)> {
    let rest = &text[at..];
    let backslashes = match dialect {
        Dialect::MySql => true,
        Dialect::Sqlite => false,
        Dialect::Postgres => is_escape_string(text, at),
    };
    let size = match rest.as_bytes()[0] {
        b'\'' => closing(rest, b'\'', backslashes),
        b'"' => closing(rest, b'"', dialect == Dialect::MySql),
        b'`' if dialect != Dialect::Postgres => closing(rest, b'`', false),
        b'[' if dialect == Dialect::Sqlite => rest.find(']').map_or(rest.len(), |end| end + 1),
        b'$' if dialect == Dialect::Postgres => dollar(text, at)?,
        _ => return None,
    };
    Some((Piece::Quoted, size))
}

/// `E'…'` in PostgreSQL.
fn is_escape_string(text: &str, at: usize) -> bool {
    let before = &text.as_bytes()[..at];
    let is_e = matches!(before.last(), Some(b'e' | b'E'));
    let in_word = before.len() > 1 && is_word(before[before.len() - 2]);
    is_e && !in_word
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

fn closing(rest: &str, quote: u8, backslashes: bool) -> usize {
    let bytes = rest.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        if backslashes && bytes[at] == b'\\' {
            at += 2;
        } else if bytes[at] == quote {
            if bytes.get(at + 1) != Some(&quote) {
                return at + 1;
            }
            at += 2;
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// `$$…$$` and `$tag$…$tag$` in PostgreSQL; `$1` is a parameter.
fn dollar(text: &str, at: usize) -> Option<usize> {
    if at > 0 && is_word(text.as_bytes()[at - 1]) {
        return None;
    }
    let rest = &text[at..];
    let tag_end = rest[1..].find('$')? + 2;
    let tag = &rest[..tag_end];
    let name = &tag.as_bytes()[1..tag_end - 1];
    if name.first().is_some_and(u8::is_ascii_digit) || !name.iter().all(|&byte| is_word(byte)) {
        return None;
    }
    Some(rest[tag_end..].find(tag).map_or(rest.len(), |end| tag_end + end + tag_end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(dialect: Dialect, text: &str, expected: &[&str]) {
        let statements: Vec<_> = split(text, dialect).into_iter().map(|s| s.text).collect();
        assert_eq!(statements, expected, "{dialect:?}: {text}");
    }

    fn check_all(text: &str, expected: &[&str]) {
        for dialect in [Dialect::MySql, Dialect::Sqlite, Dialect::Postgres] {
            check(dialect, text, expected);
        }
    }

    #[test]
    fn statements_end_at_semicolons_outside_of_quotes_and_comments() {
        check_all("", &[]);
        check_all(" ;; ; ", &[]);
        check_all("a; b", &["a", "b"]);
        check_all("a;\nb;\n", &["a", "b"]);
        check_all("a 'x;y' ; b 'it''s; fine'", &["a 'x;y'", "b 'it''s; fine'"]);
        check_all("a \"x;\"\"y\"; b", &["a \"x;\"\"y\"", "b"]);
        check_all("a /* x ; 'y */; b", &["a /* x ; 'y */", "b"]);
        check_all("a -- x ; 'y\n; b", &["a -- x ; 'y", "b"]);
        check_all("-- only a comment; here\n/* and ; here */", &[]);
        check_all("select '한글;세미콜론 😀'; b", &["select '한글;세미콜론 😀'", "b"]);
        check_all("a 'unfinished; b", &["a 'unfinished; b"]);
        check_all("a /* unfinished; b", &["a /* unfinished; b"]);
    }

    #[test]
    fn dialects_differ() {
        check(Dialect::MySql, r"a 'x\'; y'; b", &[r"a 'x\'; y'", "b"]);
        check(Dialect::Sqlite, r"a 'x\'; b", &[r"a 'x\'", "b"]);
        check(Dialect::Postgres, r"a 'x\'; b E'x\'; y'; c", &[r"a 'x\'", r"b E'x\'; y'", "c"]);
        check(Dialect::MySql, "a # x; 'y\n; b", &["a # x; 'y", "b"]);
        check(Dialect::Postgres, "a # b; c", &["a # b", "c"]);
        check(Dialect::MySql, "select 5--1; b", &["select 5--1", "b"]);
        check(Dialect::Sqlite, "select 5--1; b", &["select 5--1; b"]);
        check(Dialect::MySql, "a `x;y`; b", &["a `x;y`", "b"]);
        check(Dialect::Sqlite, "a [x;y]; b", &["a [x;y]", "b"]);
        check(Dialect::MySql, "/*!40101 SET x=1 */; a", &["/*!40101 SET x=1 */", "a"]);
        check(
            Dialect::Postgres,
            "a $$x;y$$; b $t$ $$;$t$; c $1; d",
            &["a $$x;y$$", "b $t$ $$;$t$", "c $1", "d"],
        );
        check(Dialect::Postgres, "a /* x /* y */ ; */; b", &["a /* x /* y */ ; */", "b"]);
        check(Dialect::MySql, "a /* x /* y */ ; b", &["a /* x /* y */", "b"]);
    }

    #[test]
    fn the_line_is_that_of_the_first_word() {
        let text = "-- one\n\na;\n/* two */ b\n;c";
        let lines: Vec<_> = split(text, Dialect::MySql).iter().map(|s| s.line).collect();
        assert_eq!(lines, [3, 4, 5]);
    }

    #[test]
    fn pieces_have_no_gaps() {
        let text = "a 'b' -- c\n; `d` /* e */ \"f\" # g\n h";
        for dialect in [Dialect::MySql, Dialect::Sqlite, Dialect::Postgres] {
            let mut end = 0;
            for (_, range) in pieces(text, dialect) {
                assert_eq!(range.start, end, "{dialect:?}");
                end = range.end;
            }
            assert_eq!(end, text.len());
        }
    }
}
