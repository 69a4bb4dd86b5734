//! `millrace token`: tokens for scripts, people's tools and workers.

use clap::{Subcommand, ValueEnum};
use jiff::Timestamp;
use millrace_store::Store;
use millrace_store::api_token::{self, NewToken, TokenKind};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::local::{self, fault};
use crate::output::{Format, Output, print, print_json, say};
use crate::settings::Settings;

/// What the bearer of a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TokenRole {
    /// Reads
    Viewer,
    /// Also triggers, clears, marks and pauses
    Operator,
    /// Also changes variables, connections and pools, and deletes runs
    Editor,
    /// Everything
    Admin,
    /// A worker: the worker protocol, and nothing else
    Worker,
}

/// What to do with tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Make a token and print it, this once
    #[command(
        after_help = "Examples:\n  millrace token create ci --role operator --expires-in 90d\n  millrace token create gpu-machine --role worker > worker.token"
    )]
    Create {
        /// What it is for, for people
        name: String,
        /// What its bearer may do
        #[arg(long, value_enum, default_value_t = TokenRole::Operator)]
        role: TokenRole,
        /// When it ends: 12h, 90d, 1y [default: never]
        #[arg(long, value_name = "DURATION")]
        expires_in: Option<String>,
        #[command(flatten)]
        format: Format,
    },
    /// List the tokens, without their texts
    List(Format),
    /// Revoke a token; its next request fails
    Revoke {
        /// Its number, as `list` shows it
        id: i64,
    },
}

impl Token {
    /// Does it.
    pub(crate) async fn run(self, settings: &Settings) -> Result<(), Failure> {
        let store = local::open(settings).await?;
        match self {
            Self::Create { name, role, expires_in, format } => {
                let expires_at = expires_in.as_deref().map(ends).transpose()?;
                create(&store, &name, role, expires_at, format).await
            }
            Self::List(format) => list(&store, format).await,
            Self::Revoke { id } => {
                if api_token::revoke(&store, id).await.map_err(fault)? {
                    print(&format!("token {id} is revoked"))
                } else {
                    Err(Failure::wrong(format!("there is no token {id}; see millrace token list")))
                }
            }
        }
    }
}

fn ends(text: &str) -> Result<Timestamp, Failure> {
    let wrong = || Failure::usage(format!("\"{text}\" is no duration; write 12h, 90d or 1y"));
    let span: jiff::Span = text.parse().map_err(|_| wrong())?;
    let now = local::now().to_zoned(jiff::tz::TimeZone::UTC);
    Ok(now.checked_add(span).map_err(|_| wrong())?.timestamp())
}

async fn create(
    store: &Store,
    name: &str,
    role: TokenRole,
    expires_at: Option<Timestamp>,
    format: Format,
) -> Result<(), Failure> {
    let kind = if role == TokenRole::Worker { TokenKind::Worker } else { TokenKind::Api };
    let word = role.to_possible_value().map_or_else(String::new, |v| v.get_name().to_owned());
    let new = NewToken { kind, name, role: &word, user_name: None, expires_at };
    let (id, token) = api_token::create(store, &new, local::now()).await.map_err(fault)?;
    if format.output == Output::Json {
        return print_json(&json!({
            "id": id, "name": name, "role": word, "token": token.reveal(),
            "expires_at": expires_at.map(millrace_core::time::rest),
        }));
    }
    say(&format!("token {id} \"{name}\", role {word}; it is shown this once:"));
    print(token.reveal())
}

async fn list(store: &Store, format: Format) -> Result<(), Failure> {
    let mut records: Vec<Value> = Vec::new();
    for kind in [TokenKind::Api, TokenKind::Worker, TokenKind::Session] {
        for token in api_token::list(store, kind).await.map_err(fault)? {
            let time = |at: Option<Timestamp>| at.map(millrace_core::time::rest);
            records.push(json!({
                "id": token.id,
                "kind": kind.as_str(),
                "name": token.name,
                "role": token.role,
                "user": token.user_name,
                "created_at": time(Some(token.created_at)),
                "last_used_at": time(token.last_used_at),
                "expires_at": time(token.expires_at),
            }));
        }
    }
    let columns = ["id", "kind", "name", "role", "created_at", "last_used_at", "expires_at"];
    format.records(&records, &columns)
}
