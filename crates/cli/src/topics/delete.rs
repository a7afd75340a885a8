//! `klamm topics delete`.

use clap::Args;
use klamm::Admin;

use crate::args::Consent;
use crate::confirm::{confirm, some_of};
use crate::failure::Failure;
use crate::output::{Output, Report, row};

#[derive(Args, Debug)]
pub(crate) struct DeleteArgs {
    /// Names of the topics
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<String>,
    #[command(flatten)]
    consent: Consent,
}

pub(super) async fn run(admin: &Admin, args: DeleteArgs, out: &Output) -> Result<(), Failure> {
    let topics = some_of(&args.topics);
    confirm(args.consent, &format!("delete {topics} with all records")).await?;
    let mut report = Report::new(out);
    for (name, result) in admin.delete_topics(args.topics).await? {
        match result {
            Ok(()) => {
                let line = format!("deleted {name}");
                report.done(row!(topic: name, status: "deleted"), &line)?;
            }
            Err(error) => report.failed(row!(topic: name, status: "failed"), &error),
        }
    }
    report.finish()
}
