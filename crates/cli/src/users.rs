//! `klamm users`: credentials for SCRAM.

use std::io::{IsTerminal as _, Read as _};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use klamm::Admin;
use klamm::admin::{ScramChange, ScramMechanism};
use klamm::net::Secret;

use crate::args::{ClusterArgs, Consent};
use crate::confirm::confirm;
use crate::failure::{Failure, explain};
use crate::output::{Output, Report, failures, row};
use crate::secure::first_line;
use crate::session;

#[derive(Debug, Subcommand)]
pub(crate) enum UsersCommand {
    /// Who has credentials for SCRAM, and of which mechanisms (as without a command)
    List {
        /// Only these users
        #[arg(value_name = "USER")]
        users: Vec<String>,
    },
    /// Set a user's password, which is read from standard input or a file, also where there is one already
    Set(SetArgs),
    /// Take a user's credentials away
    Delete(DeleteArgs),
}

#[derive(Args, Debug)]
pub(crate) struct SetArgs {
    /// Name of the user
    user: String,
    /// SCRAM-SHA-256 or SCRAM-SHA-512
    #[arg(long, default_value = "SCRAM-SHA-512")]
    mechanism: ScramMechanism,
    /// Rounds of hashing, from 4096 to 16384 [default: 4096]
    #[arg(long)]
    iterations: Option<u32>,
    /// A file whose first line is the password [default: standard input]
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct DeleteArgs {
    /// Name of the user
    user: String,
    /// SCRAM-SHA-256 or SCRAM-SHA-512
    #[arg(long, default_value = "SCRAM-SHA-512")]
    mechanism: ScramMechanism,
    #[command(flatten)]
    consent: Consent,
}

pub(crate) async fn run(
    cluster: ClusterArgs,
    command: Option<UsersCommand>,
    out: &Output,
) -> Result<(), Failure> {
    // Before connecting: whoever waits for a prompt does not know what is going on.
    let command = command.unwrap_or(UsersCommand::List { users: Vec::new() });
    match command {
        UsersCommand::List { users } => list(&session::admin(cluster).await?, users, out).await,
        UsersCommand::Set(args) => {
            let mut change = ScramChange::set(&args.user, args.mechanism, password(&args)?);
            if let Some(iterations) = args.iterations {
                change = change.iterations(iterations);
            }
            let told = format!("set the {} password of", args.mechanism);
            alter(&session::admin(cluster).await?, change, &told, out).await
        }
        UsersCommand::Delete(args) => {
            let told = format!("deleted the {} credentials of", args.mechanism);
            let what = format!("delete the {} credentials of {}", args.mechanism, args.user);
            confirm(args.consent, &what).await?;
            let change = ScramChange::delete(args.user, args.mechanism);
            alter(&session::admin(cluster).await?, change, &told, out).await
        }
    }
}

async fn list(admin: &Admin, users: Vec<String>, out: &Output) -> Result<(), Failure> {
    let users = (!users.is_empty()).then_some(users);
    let (mut rows, mut failed) = (Vec::new(), Vec::new());
    for (user, credentials) in admin.describe_scram_credentials(users).await? {
        match credentials {
            Ok(credentials) => rows.extend(credentials.into_iter().map(|credential| {
                row!(
                    user: user.as_str(),
                    mechanism: credential.mechanism.to_string(),
                    iterations: credential.iterations,
                )
            })),
            Err(error) => failed.push(explain(&error)),
        }
    }
    out.rows(rows, "there are no users with credentials for SCRAM")?;
    failures(failed)
}

async fn alter(
    admin: &Admin,
    change: ScramChange,
    told: &str,
    out: &Output,
) -> Result<(), Failure> {
    let results = admin.alter_scram_credentials([change]).await?;
    let mut report = Report::new(out);
    report.results("user", results, |user, ()| format!("{told} {user}"))?;
    report.finish()
}

/// Never from an argument, which others on the machine can see.
fn password(args: &SetArgs) -> Result<Secret, Failure> {
    let text = match &args.password_file {
        Some(file) => first_line(file)?,
        None if std::io::stdin().is_terminal() => {
            return Err(Failure::Usage(
                "the password is read from standard input or --password-file, so that nobody sees it".to_owned(),
            ));
        }
        None => {
            let mut text = String::new();
            let read = std::io::stdin().read_to_string(&mut text);
            read.map_err(|error| Failure::Failed(format!("cannot read the password: {error}")))?;
            text
        }
    };
    match text.lines().next() {
        None | Some("") => Err(Failure::Usage("the password is empty".to_owned())),
        Some(password) => Ok(Secret::new(password)),
    }
}
