//! `millrace users`: people who log in to the dashboard with a password.

use clap::{Subcommand, ValueEnum};
use millrace_store::StoreError;
use millrace_store::user;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::input;
use crate::local::{self, fault};
use crate::output::{Format, print};
use crate::settings::Settings;

/// The shortest password.
const PASSWORD_CHARS_MIN: usize = 8;

/// What a person may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum UserRole {
    /// Reads
    Viewer,
    /// Also triggers, clears, marks and pauses
    Operator,
    /// Also changes variables, connections and pools, and deletes runs
    Editor,
    /// Everything
    Admin,
}

impl UserRole {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Editor => "editor",
            Self::Admin => "admin",
        }
    }
}

/// What to do with users.
#[derive(Debug, Subcommand)]
pub(crate) enum Users {
    /// List the users
    List(Format),
    /// Create a user; the password is read from standard input
    #[command(after_help = "Example:\n  millrace users create ann --role editor < password.txt")]
    Create {
        /// The login name
        name: String,
        /// What the user may do
        #[arg(long, value_enum, default_value_t = UserRole::Viewer)]
        role: UserRole,
    },
    /// Set a user's password, read from standard input; sessions and tokens of the user end
    Passwd {
        /// The login name
        name: String,
    },
    /// Change what a user may do, or forbid logging in
    Role {
        /// The login name
        name: String,
        /// What the user may do
        #[arg(value_enum)]
        role: UserRole,
        /// The user may not log in
        #[arg(long)]
        disabled: bool,
    },
    /// Delete a user with all sessions and tokens
    Delete {
        /// The login name
        name: String,
    },
}

impl Users {
    /// Does it.
    pub(crate) async fn run(self, settings: &Settings) -> Result<(), Failure> {
        let store = local::open(settings).await?;
        let done = |is_there: bool, name: &str, what: &str| {
            if is_there {
                print(&format!("user {name} {what}"))
            } else {
                Err(Failure::wrong(format!("there is no user \"{name}\"; see millrace users list")))
            }
        };
        match self {
            Self::List(format) => {
                let users = user::list(&store).await.map_err(fault)?;
                let record = |user: &user::User| {
                    json!({
                        "name": user.name, "role": user.role, "is_disabled": user.is_disabled,
                        "created_at": millrace_core::time::rest(user.created_at),
                    })
                };
                let records: Vec<Value> = users.iter().map(record).collect();
                format.records(&records, &["name", "role", "is_disabled", "created_at"])
            }
            Self::Create { name, role } => {
                let password = password()?;
                match user::create(&store, &name, &password, role.as_str(), local::now()).await {
                    Ok(()) => print(&format!("user {name} is made, role: {}", role.as_str())),
                    Err(StoreError::Duplicate { .. }) => Err(Failure::wrong(format!(
                        "there is a user \"{name}\" already; passwd sets the password"
                    ))),
                    Err(error) => Err(fault(error)),
                }
            }
            Self::Passwd { name } => {
                let password = password()?;
                let found = user::set_password(&store, &name, &password).await.map_err(fault)?;
                done(found, &name, "has a new password")
            }
            Self::Role { name, role, disabled } => {
                let changed = user::set_role(&store, &name, role.as_str(), disabled).await;
                let what = if disabled { "may not log in" } else { "has the new role" };
                done(changed.map_err(fault)?, &name, what)
            }
            Self::Delete { name } => {
                let found = user::delete(&store, &name).await.map_err(fault)?;
                done(found, &name, "is gone")
            }
        }
    }
}

fn password() -> Result<String, Failure> {
    let text = input::stdin_text()?;
    if text.chars().count() < PASSWORD_CHARS_MIN {
        return Err(Failure::usage(format!(
            "a password has at least {PASSWORD_CHARS_MIN} characters; give it on standard input"
        )));
    }
    Ok(text)
}
