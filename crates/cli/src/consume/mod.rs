//! `klamm consume`.

mod args;
pub(crate) mod format;
mod json;
mod printing;
mod window;

pub(crate) use self::args::{ConsumeArgs, consumer_properties};
use self::printing::Printing;
use self::window::Window;
use crate::args::ClusterArgs;
use crate::failure::{Failure, note};
use crate::interrupt::interrupted;
use crate::output::{Output, counted};
use crate::partitions::{self, Partitions};
use crate::session::Session;

use klamm::config::Role;
use klamm::{Consumer, TopicPartition};

pub(crate) async fn run(
    cluster: ClusterArgs,
    args: ConsumeArgs,
    out: &Output,
) -> Result<(), Failure> {
    args.check()?;
    let session = Session::open(cluster, Role::Consumer, args.properties()).await?;
    let named = Partitions {
        topic: args.topic.clone(),
        indexes: args.partitions.clone().map(|indexes| indexes.0),
    };
    let partitions = partitions::resolve(&session.client.admin(), &[named]).await?;
    let consumer = open(&session, &args).await?;
    // Before reading starts, so that it ends however fast others write.
    let window = Window::of(&session, &consumer, &args, &partitions).await?;
    let endless = args.count.is_none() && !window.has_ends();
    let commits = session.group().is_some();
    let mut printing = Printing::new(consumer, args, out, window, commits);
    if !commits {
        printing.assign(partitions)?;
    }
    let ended = tokio::select! {
        ended = printing.run() => Some(ended),
        () = interrupted() => None,
    };
    let printed = printing.printed();
    let closed = printing.close().await;
    match ended {
        Some(Ok(())) => {
            note(counted(printed, "record"));
            closed
        }
        Some(Err(failure)) => {
            if matches!(failure, Failure::Failed(_)) {
                note(format_args!(
                    "{}, and not to the end",
                    counted(printed, "record")
                ));
            }
            Err(failure)
        }
        // Without an end of its own, Ctrl-C is how it ends.
        None if endless => {
            note(counted(printed, "record"));
            closed
        }
        None => {
            note(format_args!(
                "interrupted after {}, and not at the end",
                counted(printed, "record")
            ));
            closed?;
            Err(Failure::Interrupted)
        }
    }
}

async fn open(session: &Session, args: &ConsumeArgs) -> Result<Consumer, Failure> {
    let builder = session
        .consumer()?
        // What was handed out need not have been printed.
        .auto_commit(false)
        .allow_auto_create_topics(false);
    let builder = match session.group() {
        Some(_) if args.is_placed() => {
            return Err(Failure::Usage(
                "a group goes on where it has committed: --partition, --to and places other than beginning and end are \
                 for reading without one; klamm groups reset sets where it goes on"
                    .to_owned(),
            ));
        }
        Some(_) => builder.topics([&args.topic]),
        None => builder,
    };
    Ok(builder.build().await?)
}

/// A partition and the offset behind a record.
type Next = (TopicPartition, i64);
