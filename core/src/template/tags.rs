//! Text for HTML and for addresses: `escape`, `xmlattr`, `urlencode`, `urlize`.
//!
//! Owns what is escaped, and what Jinja2 takes for an address.
#![expect(clippy::needless_pass_by_value, reason = "the engine hands values over by value")]

use std::fmt::Write as _;

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Value};

use super::args::{Args, Given};
use super::growth::{bounded, check_growth};
use super::python_text;
use super::temporal::fault;

/// Brackets that may stand around an address, as they are after escaping.
const BRACKETS: [(&str, &str); 3] = [("(", ")"), ("<", ">"), ("&lt;", "&gt;")];
/// Ends of names that are addresses without `http`.
const PLAIN_DOMAINS: [&str; 8] = ["com", "net", "int", "edu", "gov", "org", "info", "mil"];

/// Adds the filters.
pub(crate) fn register(env: &mut Environment<'_>) {
    env.add_filter("e", escape);
    env.add_filter("escape", escape);
    env.add_filter("forceescape", force_escape);
    env.add_filter("xmlattr", xmlattr);
    env.add_filter("urlencode", urlencode);
    env.add_filter("urlize", urlize);
}

/// HTML's own letters as `MarkupSafe` escapes them.
fn html(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('>', "&gt;")
        .replace('<', "&lt;")
        .replace('\'', "&#39;")
        .replace('"', "&#34;")
}

fn escape(value: Value) -> Result<Value, Error> {
    if value.is_safe() { Ok(value) } else { force_escape(value) }
}

fn force_escape(value: Value) -> Result<Value, Error> {
    refuse_undefined(&value)?;
    Ok(Value::from_safe_string(html(&python_text::text(&value))))
}

fn refuse_undefined(value: &Value) -> Result<(), Error> {
    if value.is_undefined() {
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    bounded(value)
}

/// `xmlattr(autospace=true)`: attributes of an element; none and undefined are left out.
fn xmlattr(value: Value, autospace: Option<bool>, named: Kwargs) -> Result<Value, Error> {
    let autospace = match autospace {
        Some(autospace) => autospace,
        None => named.get::<Option<bool>>("autospace")?.unwrap_or(true),
    };
    named.assert_all_used()?;
    if value.kind() != ValueKind::Map {
        let kind = super::ops::type_name(&value);
        return Err(fault(format!("filter \"xmlattr\" takes a dict, not {kind}")));
    }
    bounded(&value)?;
    let mut parts = Vec::new();
    for key in value.try_iter()? {
        let item = value.get_item(&key)?;
        if item.is_none() || item.is_undefined() {
            continue;
        }
        let name = key.to_string();
        if name.contains(|c: char| c.is_whitespace() || matches!(c, '/' | '>' | '=')) {
            return Err(fault(format!("xmlattr: \"{name}\" cannot be the name of an attribute")));
        }
        parts.push(format!("{}=\"{}\"", html(&name), html(&python_text::text(&item))));
    }
    let text = parts.join(" ");
    let space = if autospace && !text.is_empty() { " " } else { "" };
    Ok(Value::from_safe_string(format!("{space}{text}")))
}

/// `urlencode`: a text, or the pairs of a map or list as a query.
fn urlencode(value: Value) -> Result<Value, Error> {
    refuse_undefined(&value)?;
    let pair = |key: &Value, item: &Value| {
        format!("{}={}", quoted(key, b"", true), quoted(item, b"", true))
    };
    if !matches!(value.kind(), ValueKind::Seq | ValueKind::Map | ValueKind::Iterable) {
        return Ok(Value::from(quoted(&value, b"/", false)));
    }
    let mut parts = Vec::new();
    for item in value.try_iter()?.checked() {
        let item = item?;
        if value.kind() == ValueKind::Map {
            parts.push(pair(&item, &value.get_item(&item)?));
            continue;
        }
        match super::sequences::items(&item, "urlencode")?.as_slice() {
            [key, item] => parts.push(pair(key, item)),
            _ => return Err(fault("filter \"urlencode\" takes text, a dict or a list of pairs")),
        }
    }
    Ok(Value::from(parts.join("&")))
}

fn quoted(value: &Value, safe: &[u8], plus: bool) -> String {
    let mut out = String::new();
    for byte in python_text::text(value).bytes() {
        match byte {
            b' ' if plus => out.push('+'),
            b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() || safe.contains(&byte) => {
                out.push(char::from(byte));
            }
            byte => {
                // Writing to a String cannot fail.
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

/// What [`urlize`] adds to a link.
struct Links {
    limit: Option<usize>,
    rel: String,
    target: String,
    schemes: Vec<String>,
}

/// `urlize(trim_url_limit=none, nofollow=false, target=none, rel=none, extra_schemes=none)`.
fn urlize(value: Value, given: Given) -> Result<Value, Error> {
    let values = given.into_values();
    let mut args = Args::new("urlize", &values)?;
    let limit = args.int("trim_url_limit")?.and_then(|limit| usize::try_from(limit).ok());
    let no_follow = args.flag("nofollow", false)?;
    let target = args.text("target")?;
    let rel = args.text("rel")?;
    let schemes = match args.take("extra_schemes")? {
        Some(given) if !given.is_none() => {
            given.try_iter()?.map(|scheme| scheme.to_string()).collect()
        }
        _ => Vec::new(),
    };
    args.finish()?;
    refuse_undefined(&value)?;
    let rel = rel.unwrap_or_default();
    let mut rel: Vec<&str> = rel.split_whitespace().chain(["noopener"]).collect();
    if no_follow {
        rel.push("nofollow");
    }
    rel.sort_unstable();
    rel.dedup();
    let attribute = |name: &str, text: &str| match text {
        "" => String::new(),
        text => format!(" {name}=\"{}\"", html(text)),
    };
    let links = Links {
        limit,
        rel: attribute("rel", &rel.join(" ")),
        target: attribute("target", &target.unwrap_or_default()),
        schemes,
    };
    let text = if value.is_safe() { value.to_string() } else { html(&python_text::text(&value)) };
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let word = rest.find(char::is_whitespace).unwrap_or(rest.len());
        out.push_str(&links.word(&rest[..word]));
        rest = &rest[word..];
        let blanks = rest.find(|c: char| !c.is_whitespace()).unwrap_or(rest.len());
        out.push_str(&rest[..blanks]);
        rest = &rest[blanks..];
        check_growth(out.len())?;
    }
    Ok(Value::from(out))
}

impl Links {
    fn word(&self, word: &str) -> String {
        let mut middle = word;
        while let Some(rest) = ["(", "<", "&lt;"].iter().find_map(|open| middle.strip_prefix(open))
        {
            middle = rest;
        }
        let head = &word[..word.len() - middle.len()];
        let mut kept = middle;
        while let Some(rest) =
            [")", ">", ".", ",", "&gt;"].iter().find_map(|close| kept.strip_suffix(close))
        {
            kept = rest;
        }
        // Brackets inside an address belong to it as long as they are balanced.
        let mut end = kept.len();
        for (open, close) in BRACKETS {
            let opened = middle[..end].matches(open).count();
            if opened <= middle[..end].matches(close).count() {
                continue;
            }
            for _ in 0..opened.min(middle[end..].matches(close).count()) {
                end += middle[end..].find(close).map_or(0, |at| at + close.len());
            }
        }
        format!("{head}{}{}", self.link(&middle[..end]), &middle[end..])
    }

    fn link(&self, text: &str) -> String {
        let Links { rel, target, .. } = self;
        let shown = match self.limit {
            Some(limit) if text.chars().count() > limit => {
                format!("{}...", text.chars().take(limit).collect::<String>())
            }
            _ => text.to_owned(),
        };
        if is_address(text) {
            let scheme = if text.starts_with("https://") || text.starts_with("http://") {
                ""
            } else {
                "https://"
            };
            return format!("<a href=\"{scheme}{text}\"{rel}{target}>{shown}</a>");
        }
        if let Some(mail) = text.strip_prefix("mailto:").filter(|mail| is_mail(mail)) {
            return format!("<a href=\"{text}\">{mail}</a>");
        }
        if !text.starts_with("www.")
            && !text.starts_with('@')
            && !text.contains(':')
            && is_mail(text)
        {
            return format!("<a href=\"mailto:{text}\">{text}</a>");
        }
        if self.schemes.iter().any(|scheme| text != scheme && text.starts_with(scheme.as_str())) {
            return format!("<a href=\"{text}\"{rel}{target}>{text}</a>");
        }
        text.to_owned()
    }
}

fn is_mail(text: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices('@').any(|(at, _)| {
        let (user, host) = (&text[..at], &text[at + 1..]);
        let Some((name, end)) = host.rsplit_once('.') else { return false };
        !user.is_empty()
            && name.starts_with(is_word)
            && name.chars().all(|c| is_word(c) || matches!(c, '.' | '-'))
            && !end.is_empty()
            && end.chars().all(is_word)
    })
}

fn is_address(text: &str) -> bool {
    let lower = text.to_lowercase();
    let host_end = lower.find(['/', '?', '#']).unwrap_or(lower.len());
    let after_scheme = lower.strip_prefix("https://").or_else(|| lower.strip_prefix("http://"));
    if let Some(rest) = after_scheme {
        let host = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
        if let Some(end) = host.find(']').filter(|_| host.starts_with('[')) {
            let inner = &host[1..end];
            return inner.matches(':').count() >= 2
                && inner.chars().all(|c| c.is_ascii_hexdigit() || c == ':')
                && without_port(&host[end + 1..]).is_empty();
        }
        let host = without_port(host);
        return is_named(host) || is_numbered(host);
    }
    let host = without_port(&lower[..host_end]);
    if host.strip_prefix("www.").is_some_and(is_named) {
        return true;
    }
    let Some((name, end)) = host.rsplit_once('.') else { return false };
    PLAIN_DOMAINS.contains(&end)
        && name.split('.').all(|label| is_label(label) && (2..=63).contains(&label.chars().count()))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port))
            if (1..=5).contains(&port.len()) && port.bytes().all(|b| b.is_ascii_digit()) =>
        {
            name
        }
        _ => host,
    }
}

fn is_label(label: &str) -> bool {
    !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '%' | '-'))
}

fn is_named(host: &str) -> bool {
    let mut labels = host.rsplit('.');
    let last = labels.next().unwrap_or_default();
    let is_top = match last.strip_prefix("xn--") {
        Some(rest) => (2..=59).contains(&rest.len()) && is_label(rest) && !rest.contains('-'),
        None => (2..=63).contains(&last.len()) && last.bytes().all(|b| b.is_ascii_lowercase()),
    };
    is_top && labels.all(is_label)
}

fn is_numbered(host: &str) -> bool {
    let parts: Vec<&str> = host.split('.').collect();
    parts.len() == 4
        && parts.iter().all(|part| {
            (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
        })
}
