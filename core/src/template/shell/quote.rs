//! Writes a text so that a POSIX shell reads it back unchanged, for each place it can stand in.
//!
//! Owns the spelling only; `lexer` decides the place.

/// Quotes text as one shell word (Python's `shlex.quote`).
pub(crate) fn quote_text(text: &str) -> String {
    if is_plain(text) { text.to_string() } else { single_quoted(text) }
}

/// Whether a word needs no quotes.
pub(super) fn is_plain(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"@%+=:,./-_".contains(&byte);
    !text.is_empty() && text.bytes().all(plain)
}

/// In single quotes, always.
pub(super) fn single_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\"'\"'"))
}

/// What [`quote_text`] was given.
pub(super) fn unquoted(quoted: &str) -> String {
    match quoted.strip_prefix('\'').and_then(|inner| inner.strip_suffix('\'')) {
        Some(inner) => inner.replace("'\"'\"'", "'"),
        None => quoted.to_string(),
    }
}

/// Inside double quotes.
pub(super) fn in_double_quotes(text: &str) -> String {
    escaped(text, &['\\', '"', '$', '`'])
}

/// Inside single quotes: leave them for each quote.
pub(super) fn in_single_quotes(text: &str) -> String {
    text.replace('\'', "'\\''")
}

/// Inside `$'…'`.
pub(super) fn in_ansi_quotes(text: &str) -> String {
    escaped(text, &['\\', '\''])
}

/// In the body of a here-document whose delimiter is not quoted.
pub(super) fn in_here_document(text: &str) -> String {
    escaped(text, &['\\', '$', '`'])
}

/// One level of backquotes around text that is quoted already.
pub(super) fn in_backquotes(text: &str) -> String {
    escaped(text, &['\\', '$', '`'])
}

/// In a comment: it must not end.
pub(super) fn in_comment(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

fn escaped(text: &str, special: &[char]) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if special.contains(&c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
