//! `klamm verify consumer`: Kafka's `VerifiableConsumer` with klamm inside.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use klamm::config::Role;
use klamm::consumer::PartitionRecords;
use klamm::{Consumer, Rebalance, RebalanceListener, Records, TopicPartition};

use super::json::Event;
use super::read_properties;
use crate::args::ClusterArgs;
use crate::failure::{Failure, note};
use crate::interrupt::interrupted;
use crate::session::Session;

/// Limit for the last commit and for leaving the group, as in Java.
const CLOSE: Duration = Duration::from_secs(30);

/// The options of Kafka's own program, by its names.
#[derive(Args, Debug)]
pub(crate) struct VerifyConsumerArgs {
    /// Topic to read
    #[arg(long)]
    topic: String,
    /// classic or consumer (KIP-848)
    #[arg(long, default_value = "classic")]
    group_protocol: String,
    /// How the broker assigns, with the consumer protocol: uniform or range
    #[arg(long)]
    group_remote_assignor: Option<String>,
    /// Group to be a member of
    #[arg(long)]
    group_id: String,
    /// Name of a static member
    #[arg(long)]
    group_instance_id: Option<String>,
    /// So many records at most; -1 is without end
    #[arg(long, default_value_t = -1, allow_negative_numbers = true)]
    max_messages: i64,
    /// Session timeout in ms, with the classic protocol
    #[arg(long, default_value_t = 30_000)]
    session_timeout: u32,
    /// Print every record
    #[arg(long)]
    verbose: bool,
    /// Commit in the background instead of after each poll
    #[arg(long)]
    enable_autocommit: bool,
    /// Where to start without a committed offset: earliest, latest or none
    #[arg(long, default_value = "earliest")]
    reset_policy: String,
    /// Class or name of the assignor, with the classic protocol
    #[arg(
        long,
        default_value = "org.apache.kafka.clients.consumer.RangeAssignor"
    )]
    assignment_strategy: String,
    /// A properties file; the options win over it
    #[arg(long, alias = "consumer.config", value_name = "FILE")]
    command_config: Option<PathBuf>,
}

impl VerifyConsumerArgs {
    fn properties(&self) -> Result<Vec<(String, String)>, Failure> {
        let mut properties = Vec::new();
        if let Some(path) = &self.command_config {
            properties.extend(read_properties(path)?);
        }
        let mut set = |name: &str, value: String| properties.push((name.to_owned(), value));
        set("group.id", self.group_id.clone());
        set("group.protocol", self.group_protocol.clone());
        if self.group_protocol.eq_ignore_ascii_case("consumer") {
            if let Some(assignor) = &self.group_remote_assignor {
                set("group.remote.assignor", assignor.clone());
            }
        } else {
            set("session.timeout.ms", self.session_timeout.to_string());
            let strategy = self.assignment_strategy.clone();
            set("partition.assignment.strategy", strategy);
        }
        if let Some(instance_id) = &self.group_instance_id {
            set("group.instance.id", instance_id.clone());
        }
        set("enable.auto.commit", self.enable_autocommit.to_string());
        set("auto.offset.reset", self.reset_policy.clone());
        Ok(properties)
    }
}

pub(super) async fn run(cluster: ClusterArgs, args: VerifyConsumerArgs) -> Result<(), Failure> {
    let session = Session::open(cluster, Role::Consumer, args.properties()?).await?;
    let builder = session.consumer()?.topics([&args.topic]);
    let consumer = builder.rebalance_listener(Announcer).build().await?;
    Event::new("startup_complete").print();
    let mut verified = Verified {
        left: u64::try_from(args.max_messages).unwrap_or(u64::MAX),
        consumer,
        args,
    };
    let ended = tokio::select! {
        ended = verified.consume() => ended,
        () = interrupted() => {
            Event::new("shutdown_requested").print();
            Ok(())
        }
    };
    let closed = verified.consumer.close(CLOSE).await;
    Event::new("shutdown_complete").print();
    ended?;
    Ok(closed?)
}

fn place(partition: &TopicPartition) -> Event {
    Event::part()
        .text("topic", Some(&partition.topic))
        .number("partition", partition.partition)
}

/// Prints what the group gives and takes.
struct Announcer;

impl RebalanceListener for Announcer {
    async fn on_assigned(&self, _: &Rebalance, partitions: &[TopicPartition]) {
        let event = Event::new("partitions_assigned");
        event
            .parts("partitions", partitions.iter().map(place))
            .print();
    }

    async fn on_revoked(&self, _: &Rebalance, partitions: &[TopicPartition]) {
        let event = Event::new("partitions_revoked");
        event
            .parts("partitions", partitions.iter().map(place))
            .print();
    }
}

struct Verified {
    consumer: Consumer,
    args: VerifyConsumerArgs,
    /// Records still wanted.
    left: u64,
}

impl Verified {
    /// Dropping the future between a poll and its commit leaves records uncommitted, as in Java.
    async fn consume(&mut self) -> Result<(), Failure> {
        while self.left > 0 {
            let records = match self.consumer.poll().await {
                Ok(records) => records,
                Err(error) if error.is_fatal() => return Err(error.into()),
                Err(error) => {
                    note(format_args!("{error}"));
                    continue;
                }
            };
            let offsets = self.print(&records);
            if !self.args.enable_autocommit && !offsets.is_empty() {
                self.commit(offsets).await?;
            }
        }
        Ok(())
    }

    /// Prints records up to the limit, and gives the offsets behind them.
    fn print(&mut self, records: &Records) -> Vec<(TopicPartition, i64)> {
        let (mut offsets, mut summaries, mut count) = (Vec::new(), Vec::new(), 0);
        for records in records.partitions() {
            let taken = self.left.min(records.len() as u64);
            let Some((first, last)) = self.print_partition(records, taken) else {
                continue;
            };
            self.left -= taken;
            count += taken;
            let partition = records.partition();
            let summary = place(partition).number("count", taken);
            summaries.push(summary.number("minOffset", first).number("maxOffset", last));
            offsets.push((partition.clone(), last + 1));
        }
        if count > 0 {
            let event = Event::new("records_consumed").number("count", count);
            event.parts("partitions", summaries.into_iter()).print();
        }
        offsets
    }

    /// The first and the last offset of those taken.
    fn print_partition(&self, records: &PartitionRecords, taken: u64) -> Option<(i64, i64)> {
        let mut ends: Option<(i64, i64)> = None;
        for record in records.iter().take(taken as usize) {
            let first = ends.map_or(record.offset, |(first, _)| first);
            ends = Some((first, record.offset));
            if self.args.verbose {
                let text =
                    |bytes: Option<&[u8]>| bytes.map(|it| String::from_utf8_lossy(it).into_owned());
                Event::new("record_data")
                    .text("key", text(record.key).as_deref())
                    .text("value", text(record.value).as_deref())
                    .text("topic", Some(record.topic))
                    .number("partition", record.partition)
                    .number("offset", record.offset)
                    .print();
            }
        }
        ends
    }

    async fn commit(&mut self, offsets: Vec<(TopicPartition, i64)>) -> Result<(), Failure> {
        let committed = self.consumer.commit_offsets(offsets.clone()).await;
        let offset = |(at, offset): (TopicPartition, i64)| place(&at).number("offset", offset);
        let event = Event::new("offsets_committed");
        let event = event.parts("offsets", offsets.into_iter().map(offset));
        match committed {
            Ok(()) => event.truth("success", true).print(),
            Err(error) if error.is_fatal() => return Err(error.into()),
            Err(error) => event
                .text("error", Some(&error.to_string()))
                .truth("success", false)
                .print(),
        }
        Ok(())
    }
}
