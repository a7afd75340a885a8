//! `klamm verify copier`: Kafka's `TransactionalMessageCopier` with klamm inside.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use klamm::config::Role;
use klamm::{
    CommitError, Consumer, ConsumerBuilder, GroupMetadata, IsolationLevel, OffsetReset, Record,
    Records, TopicPartition, Transaction, TransactionalProducer,
};

use super::json::Event;
use super::read_properties;
use crate::args::ClusterArgs;
use crate::failure::{Failure, note};
use crate::interrupt::interrupted;
use crate::session::Session;

/// Wait for records before it is looked whether the end is reached.
const POLL: Duration = Duration::from_millis(200);
/// Limit for leaving the group, and for ending the producer.
const CLOSE: Duration = Duration::from_secs(30);

/// The options of Kafka's own program, by its names.
#[derive(Args, Debug)]
pub(crate) struct CopierArgs {
    /// Topic to read
    #[arg(long)]
    input_topic: String,
    /// Partition of it to read; with --group-mode the group assigns partitions
    #[arg(long)]
    input_partition: i32,
    /// Topic to write
    #[arg(long)]
    output_topic: String,
    /// So many records at most; -1 is up to the end that the partition has now
    #[arg(long, default_value_t = -1, allow_negative_numbers = true)]
    max_messages: i64,
    /// Group whose offsets tell how far it got
    #[arg(long, default_value = "-1", allow_hyphen_values = true)]
    consumer_group: String,
    /// Records of a transaction
    #[arg(long, default_value_t = 200)]
    transaction_size: usize,
    /// How long a transaction may be open, in ms
    #[arg(long, default_value_t = 60_000)]
    transaction_timeout: u64,
    /// Name of the producer across restarts
    #[arg(long)]
    transactional_id: String,
    /// Abort every third transaction or so
    #[arg(long)]
    enable_random_aborts: bool,
    /// Subscribe as a member of the group
    #[arg(long)]
    group_mode: bool,
    /// Commit offsets as that member, which fences those before it (KIP-447)
    #[arg(long)]
    use_group_metadata: bool,
    /// classic or consumer (KIP-848)
    #[arg(long)]
    group_protocol: Option<String>,
    /// A properties file for consumer and producer; the options win over it
    #[arg(long, value_name = "FILE")]
    command_config: Option<PathBuf>,
}

pub(crate) async fn run(cluster: ClusterArgs, args: CopierArgs) -> Result<(), Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    tokio::spawn(async move {
        interrupted().await;
        asked.store(true, Ordering::Relaxed);
    });
    let mut own = match &args.command_config {
        Some(path) => read_properties(path)?,
        None => Vec::new(),
    };
    if let Some(protocol) = &args.group_protocol {
        own.push(("group.protocol".to_owned(), protocol.clone()));
    }
    let session = Session::open(cluster, Role::Client, own).await?;
    let producer = session
        .producer()?
        .transactional_id(&args.transactional_id)
        .transaction_timeout(Duration::from_millis(args.transaction_timeout))
        // As Kafka's: several batches of a partition in flight in each transaction.
        .batch_size(512);
    let consumer = consumer(session.consumer()?, &args).build().await?;
    let mut copier = Copier {
        consumer,
        producer: producer.build_transactional().await?,
        remaining: if args.max_messages < 0 {
            i64::MAX
        } else {
            args.max_messages
        },
        args,
        assignment: Vec::new(),
        processed: 0,
        consumed: 0,
        random: u64::from(std::process::id()),
    };
    let result = copier.copy(&stop).await;
    let ended = copier.end().await;
    result.and(ended)
}

fn consumer(builder: ConsumerBuilder, args: &CopierArgs) -> ConsumerBuilder {
    let builder = builder
        .group(&args.consumer_group)
        .isolation_level(IsolationLevel::ReadCommitted)
        .max_poll_records(args.transaction_size)
        .auto_commit(false)
        .max_poll_interval(Duration::from_secs(180))
        .offset_reset(OffsetReset::Earliest);
    if args.group_protocol.as_deref() == Some("consumer") {
        // The broker says how long.
        return builder;
    }
    builder
        .session_timeout(Duration::from_secs(10))
        .heartbeat_interval(Duration::from_secs(3))
}

struct Copier {
    consumer: Consumer,
    producer: TransactionalProducer,
    args: CopierArgs,
    /// Partitions as of the last look.
    assignment: Vec<TopicPartition>,
    /// Records still to be copied.
    remaining: i64,
    /// Records copied in all, and since the last rebalance.
    processed: i64,
    consumed: i64,
    random: u64,
}

impl Copier {
    async fn copy(&mut self, stop: &AtomicBool) -> Result<(), Failure> {
        if self.args.group_mode {
            self.consumer.subscribe([&self.args.input_topic])?;
        } else {
            let partition = TopicPartition::new(&*self.args.input_topic, self.args.input_partition);
            self.consumer.assign([partition])?;
            self.remaining = self.remaining.min(self.left_to_read().await?);
        }
        while !stop.load(Ordering::Relaxed) && self.remaining > 0 {
            self.status("ProcessLoop");
            let records = self.consumer.poll_timeout(POLL).await?;
            self.look_at_assignment(records.iter().count() as i64)
                .await?;
            if records.is_empty() {
                continue;
            }
            if let Err(error) = self.transact(&records).await {
                if error.is_fatal() {
                    return Err(error.into());
                }
                note(format_args!("aborted: {error}"));
                self.rewind().await?;
            }
        }
        Ok(())
    }

    /// With --group-mode the group decides what remains: what is left to read, and what was `polled`
    /// just now.
    async fn look_at_assignment(&mut self, polled: i64) -> Result<(), Failure> {
        let assignment = self.consumer.assignment();
        if !self.args.group_mode || assignment == self.assignment {
            return Ok(());
        }
        self.assignment = assignment;
        self.remaining = polled + self.left_to_read().await?;
        self.consumed = 0;
        self.status("RebalanceComplete");
        Ok(())
    }

    async fn left_to_read(&mut self) -> Result<i64, Failure> {
        let mut left = 0;
        let assignment = self.consumer.assignment();
        let ends = self.consumer.end_offsets(assignment).await?;
        for (partition, end) in ends {
            left += end - self.consumer.position(&partition).await?;
        }
        Ok(left)
    }

    async fn transact(&mut self, records: &Records) -> Result<(), klamm::Error> {
        let transaction = self.producer.begin().await?;
        if let Err(error) = self.fill(&transaction, records).await {
            transaction.abort().await?;
            return Err(error);
        }
        if self.args.enable_random_aborts && self.random().is_multiple_of(3) {
            transaction.abort().await?;
            return Ok(self.rewind_quietly().await?);
        }
        let mut committed = transaction.commit().await;
        // Nothing else can be done before it is known.
        while let Err(CommitError::Unknown { error, commit }) = committed {
            note(format_args!("still committing: {error}"));
            committed = commit.retry().await;
        }
        match committed {
            Ok(()) => {}
            Err(CommitError::Abortable { error, transaction }) => {
                transaction.abort().await?;
                return Err(error.into());
            }
            Err(error) => return Err(error.into()),
        }
        let copied = records.iter().count() as i64;
        self.remaining -= copied;
        self.consumed += copied;
        self.processed += copied;
        Ok(())
    }

    async fn fill(
        &mut self,
        transaction: &Transaction,
        records: &Records,
    ) -> Result<(), klamm::Error> {
        for record in records {
            let mut copy = Record::to(&self.args.output_topic).partition(record.partition);
            if let Some(key) = record.key {
                copy = copy.key(key);
            }
            if let Some(value) = record.value {
                copy = copy.value(value);
            }
            drop(transaction.send(copy).await?);
        }
        let group = if self.args.use_group_metadata {
            self.consumer.group_metadata()?
        } else {
            GroupMetadata::of_group(&self.args.consumer_group)
        };
        let offsets = self.consumer.consumed();
        transaction.send_offsets(offsets, &group).await?;
        Ok(())
    }

    /// Back to what is committed.
    async fn rewind(&mut self) -> Result<(), Failure> {
        Ok(self.rewind_quietly().await?)
    }

    async fn rewind_quietly(&mut self) -> Result<(), klamm::consumer::Error> {
        let assignment = self.consumer.assignment();
        for (partition, committed) in self.consumer.committed(assignment).await? {
            match committed {
                Some(committed) => self.consumer.seek(&partition, committed.offset)?,
                None => self.consumer.seek_to_beginning(&partition)?,
            }
        }
        Ok(())
    }

    async fn end(self) -> Result<(), Failure> {
        let event = self.event("ShutdownComplete");
        let produced = self.producer.close(CLOSE).await;
        let consumed = self.consumer.close(CLOSE).await;
        event.print();
        produced?;
        Ok(consumed?)
    }

    fn status(&self, stage: &str) {
        self.event(stage).print();
    }

    fn event(&self, stage: &str) -> Event {
        Event::of("transactionalId", &self.args.transactional_id)
            .text("stage", Some(stage))
            .time_of_day("time")
            .number("totalProcessed", self.processed)
            .number("consumed", self.consumed)
            .number("remaining", self.remaining)
    }

    /// xorshift: which transactions are aborted needs no better.
    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}
