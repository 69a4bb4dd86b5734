//! `millrace connections`: where databases and services are, and how to log in.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use millrace_core::connection::Connection;
use millrace_store::{Store, connection};
use serde_json::{Map, Value};

use super::wait::actor;
use crate::failure::Failure;
use crate::local::{self, fault};
use crate::output::{ExportFormat, Format, print};
use crate::settings::Settings;
use crate::{input, masking};

/// What to do with connections.
#[derive(Debug, Subcommand)]
pub(crate) enum Connections {
    /// List the connections, without their secrets
    List(Format),
    /// Show a connection, without its secrets
    Get {
        /// Its name
        conn_id: String,
        #[command(flatten)]
        format: Format,
    },
    /// Add or replace a connection
    #[command(after_help = EXAMPLES)]
    Add(Box<Add>),
    /// Delete a connection
    Delete {
        /// Its name
        conn_id: String,
    },
    /// Try a connection: does what it names answer, and take the login?
    #[command(
        after_help = "Example:\n  millrace connections test feature_store\n\nThe environment (MILLRACE_CONN_ID) comes before the database, as for tasks."
    )]
    Test {
        /// Its name
        conn_id: String,
    },
    /// Set all connections of a JSON or YAML file, as Airflow exports it
    Import {
        /// The file; `-` is standard input
        file: PathBuf,
    },
    /// Print all connections as JSON or YAML, with their secrets
    Export {
        /// Say that you want passwords in the output
        #[arg(long)]
        with_secrets: bool,
        #[command(flatten)]
        format: ExportFormat,
    },
}

const EXAMPLES: &str = "Examples:
  millrace connections add feature_store --uri - < uri.txt
  millrace connections add feature_store --type mysql --host 127.0.0.1 --port 3306 \\
      --login app --schema mlops --password-stdin < password.txt
  MILLRACE_CONNECTION_PASSWORD=… millrace connections add …";

/// Options of `connections add`.
#[derive(Debug, Args)]
pub(crate) struct Add {
    /// Its name, as DAGs say it in conn_id
    conn_id: String,
    /// Everything as one URI: type://login:password@host:port/schema?extra=…; `-` reads it from
    /// standard input, so that nobody sees the password
    #[arg(long, value_name = "URI", conflicts_with_all = ["conn_type", "host", "port", "login", "schema", "extra", "password_stdin"])]
    uri: Option<String>,
    /// mysql, postgres, sqlite, http, …
    #[arg(long = "type", value_name = "TYPE", required_unless_present = "uri")]
    conn_type: Option<String>,
    /// The host
    #[arg(long)]
    host: Option<String>,
    /// The port
    #[arg(long)]
    port: Option<u16>,
    /// The user
    #[arg(long)]
    login: Option<String>,
    /// The schema or database
    #[arg(long)]
    schema: Option<String>,
    /// Further settings, a JSON object
    #[arg(long, value_name = "JSON")]
    extra: Option<String>,
    /// Read the password from standard input; MILLRACE_CONNECTION_PASSWORD is taken too
    #[arg(long)]
    password_stdin: bool,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
}

impl Connections {
    /// Does it.
    pub(crate) async fn run(self, settings: &Settings) -> Result<(), Failure> {
        let store = local::open(settings).await?;
        match self {
            Self::List(format) => {
                let all = connection::all(&store).await.map_err(fault)?;
                let records: Vec<Value> = all.iter().map(masking::connection).collect();
                let columns =
                    ["conn_id", "conn_type", "host", "port", "login", "schema", "description"];
                format.records(&records, &columns)
            }
            Self::Get { conn_id, format } => {
                let found = connection::get(&store, &conn_id).await.map_err(fault)?;
                let found = found.ok_or_else(|| unknown(&conn_id))?;
                format.record(&masking::connection(&found))
            }
            Self::Add(add) => add.run(&store).await,
            Self::Delete { conn_id } => {
                if connection::delete(&store, &conn_id, actor().as_deref(), local::now())
                    .await
                    .map_err(fault)?
                {
                    print(&format!("connection {conn_id} is gone"))
                } else {
                    Err(unknown(&conn_id))
                }
            }
            Self::Test { conn_id } => {
                let environment = crate::settings::environment();
                let found =
                    connection::find(&store, &environment, &conn_id).await.map_err(fault)?;
                let found = found.ok_or_else(|| unknown(&conn_id))?;
                match millrace_worker::probe(&found).await {
                    Ok(answer) => print(&format!("connection {conn_id}: {answer}")),
                    Err(reason) => Err(Failure::wrong(format!("connection {conn_id}: {reason}"))),
                }
            }
            Self::Import { file } => {
                let found = connection::from_map(&input::map(&file)?).map_err(fault)?;
                for connection in &found {
                    connection::set(&store, connection, actor().as_deref(), local::now())
                        .await
                        .map_err(fault)?;
                }
                print(&format!("{} connections were set", found.len()))
            }
            Self::Export { with_secrets: true, format } => {
                let all = connection::all(&store).await.map_err(fault)?;
                format.print(connection::to_map(&all))
            }
            Self::Export { with_secrets: false, .. } => Err(Failure::usage(
                "an export holds passwords in plain text; if that is meant, say --with-secrets",
            )),
        }
    }
}

fn unknown(conn_id: &str) -> Failure {
    Failure::wrong(format!("there is no connection \"{conn_id}\""))
}

impl Add {
    async fn run(self, store: &Store) -> Result<(), Failure> {
        let mut new = self.connection()?;
        if new.description.is_none() {
            new.description = self.description;
        }
        connection::set(store, &new, actor().as_deref(), local::now()).await.map_err(fault)?;
        print(&format!("connection {} is set", new.conn_id))
    }

    fn connection(&self) -> Result<Connection, Failure> {
        if let Some(uri) = &self.uri {
            let text = if uri == "-" { input::stdin_text()? } else { uri.clone() };
            return Connection::parse(&self.conn_id, &text).map_err(fault);
        }
        let password = if self.password_stdin {
            Some(input::stdin_text()?)
        } else {
            std::env::var("MILLRACE_CONNECTION_PASSWORD").ok()
        };
        let mut fields = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                fields.insert(name.to_owned(), value);
            }
        };
        let text = |value: &Option<String>| value.clone().map(Value::String);
        put("conn_type", text(&self.conn_type));
        put("host", text(&self.host));
        put("port", self.port.map(Value::from));
        put("login", text(&self.login));
        put("password", password.map(Value::String));
        put("schema", text(&self.schema));
        put("extra", text(&self.extra));
        Connection::from_json(&self.conn_id, &Value::Object(fields)).map_err(fault)
    }
}
