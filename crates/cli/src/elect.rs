//! `klamm elect`.

use clap::{ArgGroup, Args};
use klamm::ErrorCode;
use klamm::admin::{ElectionType, TopicPartition};

use crate::args::{ClusterArgs, Consent};
use crate::confirm::confirm;
use crate::failure::Failure;
use crate::output::{Output, Report, counted, row};
use crate::partitions::{self, Partitions};
use crate::session;

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("where").required(true).args(["partitions", "all"]))]
pub(crate) struct ElectArgs {
    /// Topics, or some of their partitions
    #[arg(value_name = "TOPIC[:0,2,4-6]")]
    partitions: Vec<Partitions>,
    /// All partitions that need it
    #[arg(long)]
    all: bool,
    /// Also a replica that has not caught up, where there is no leader: records that it does not have are lost
    #[arg(long)]
    unclean: bool,
    #[command(flatten)]
    consent: Consent,
}

pub(crate) async fn run(
    cluster: ClusterArgs,
    args: ElectArgs,
    out: &Output,
) -> Result<(), Failure> {
    let admin = session::admin(cluster).await?;
    let partitions = partitions::resolve(&admin, &args.partitions).await?;
    let election = if args.unclean {
        let wherever = if args.all {
            "all partitions without a leader".to_owned()
        } else {
            counted(partitions.len() as u64, "partition")
        };
        let what = format!("elect leaders of {wherever} that may have lost records");
        confirm(args.consent, &what).await?;
        ElectionType::Unclean
    } else {
        ElectionType::Preferred
    };
    let results = if args.all {
        admin.elect_all_leaders(election).await?
    } else {
        admin.elect_leaders(election, partitions).await?
    };
    let mut report = Report::new(out);
    let row = |partition: &TopicPartition, elected: bool| row!(topic: &*partition.topic, partition: partition.partition, elected: elected);
    for (partition, result) in results {
        match result {
            Ok(()) => {
                let line = format!("elected the leader of {partition}");
                report.done(row(&partition, true), &line)?;
            }
            Err(error) if error.code() == Some(ErrorCode::ELECTION_NOT_NEEDED) => {
                let line = format!("{partition} has that leader already");
                report.done(row(&partition, false), &line)?;
            }
            Err(error) => report.failed(row(&partition, false), &error),
        }
    }
    report.finish()
}
