//! `klamm transactions`.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use clap::{Args, Subcommand};
use klamm::admin::{Error, HangingTransaction, ProducerState, TransactionState};
use klamm::{Admin, ErrorCode, TopicPartition};

use crate::args::{ClusterArgs, Consent};
use crate::confirm::confirm;
use crate::failure::{Failure, explain};
use crate::output::{Output, Report, failures, missing, row};
use crate::partitions::{self, Partitions};
use crate::{session, time};

#[derive(Debug, Subcommand)]
pub(crate) enum TransactionsCommand {
    /// Every transactional id with its state (as without a command)
    List(ListArgs),
    /// State, producer, start and partitions of transactions
    Describe {
        /// Transactional ids
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
    /// Transactions that are open in partitions and that no coordinator knows: consumers of committed records wait
    /// behind them
    Hanging(HangingArgs),
    /// Abort a transaction that hangs, in one partition
    Abort(AbortArgs),
}

#[derive(Args, Debug, Default)]
pub(crate) struct ListArgs {
    /// Only those that run for longer, such as 5m
    #[arg(long, value_name = "DURATION", value_parser = time::duration)]
    longer_than: Option<Duration>,
    /// Only those that are under way
    #[arg(long)]
    ongoing: bool,
}

#[derive(Args, Debug)]
pub(crate) struct HangingArgs {
    /// Topics, or some of their partitions
    #[arg(required = true, value_name = "TOPIC[:0,2,4-6]")]
    partitions: Vec<Partitions>,
    /// Only those that are older, such as 30m; more than transaction.max.timeout.ms of the brokers, as what is younger
    /// may still end by itself
    #[arg(long, value_name = "DURATION", value_parser = time::duration, default_value = "20m")]
    longer_than: Duration,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  klamm transactions hanging orders
  klamm transactions abort orders:0 --start-offset 42")]
pub(crate) struct AbortArgs {
    /// The partition that it hangs in, such as orders:0
    #[arg(value_name = "TOPIC:NUMBER")]
    partition: Partitions,
    /// Offset at which the transaction begins, as klamm transactions hanging shows it
    #[arg(long, value_name = "OFFSET")]
    start_offset: i64,
    #[command(flatten)]
    consent: Consent,
}

pub(crate) async fn run(
    cluster: ClusterArgs,
    command: Option<TransactionsCommand>,
    out: &Output,
) -> Result<(), Failure> {
    let admin = session::admin(cluster).await?;
    match command.unwrap_or(TransactionsCommand::List(ListArgs::default())) {
        TransactionsCommand::List(args) => list(&admin, args, out).await,
        TransactionsCommand::Describe { ids } => describe(&admin, ids, out).await,
        TransactionsCommand::Hanging(args) => hanging(&admin, args, out).await,
        TransactionsCommand::Abort(args) => abort(&admin, args, out).await,
    }
}

async fn list(admin: &Admin, args: ListArgs, out: &Output) -> Result<(), Failure> {
    let mut list = admin.list_transactions();
    if args.ongoing {
        list = list.states([TransactionState::Ongoing]);
    }
    if let Some(duration) = args.longer_than {
        list = list.running_longer_than(duration);
    }
    let listed = list.await?;
    let rows = listed.found.into_iter().map(|it| {
        row!(
            transactional_id: it.transactional_id,
            state: it.state.to_string(),
            producer_id: it.producer_id,
            coordinator: it.coordinator.0,
        )
    });
    out.rows(rows.collect(), "there are no transactional ids")?;
    failures(missing(&listed.failures).collect())
}

async fn describe(admin: &Admin, ids: Vec<String>, out: &Output) -> Result<(), Failure> {
    let (mut rows, mut failed) = (Vec::new(), Vec::new());
    for (id, result) in admin.describe_transactions(ids).await? {
        match result {
            Ok(it) => rows.push(row!(
                transactional_id: id,
                state: it.state.to_string(),
                producer_id: it.producer_id,
                producer_epoch: it.producer_epoch,
                coordinator: it.coordinator.map(|node| node.0),
                timeout_ms: u64::try_from(it.timeout.as_millis()).unwrap_or(u64::MAX),
                started: it.start_timestamp.map(time::shown),
                partitions: it.partitions.iter().map(ToString::to_string).collect::<Vec<_>>(),
            )),
            Err(error) => failed.push(explain(&error)),
        }
    }
    out.rows(rows, "there are no such transactional ids")?;
    failures(failed)
}

/// Transactions that are open in partitions, and what is not known of others.
type Open = (BTreeMap<TopicPartition, Vec<ProducerState>>, Vec<String>);

async fn open(admin: &Admin, partitions: Vec<TopicPartition>) -> Result<Open, Failure> {
    let (mut open, mut failed) = (BTreeMap::new(), Vec::new());
    for (partition, producers) in admin.describe_producers(partitions).await? {
        match producers {
            Ok(mut producers) => {
                producers.retain(|producer| producer.transaction_start_offset.is_some());
                open.insert(partition, producers);
            }
            Err(error) => failed.push(explain(&error)),
        }
    }
    Ok((open, failed))
}

/// In which partitions coordinators know transactions of these producers to be.
///
/// # Errors
/// Also if one coordinator of many does not answer: what it knows would seem to hang.
async fn known_to_coordinators(
    admin: &Admin,
    producer_ids: BTreeSet<i64>,
) -> Result<HashSet<(TopicPartition, i64)>, Error> {
    let listed = admin.list_transactions().producer_ids(producer_ids).await?;
    let ids = listed.all()?.into_iter().map(|it| it.transactional_id);
    let mut known = HashSet::new();
    for (_, described) in admin.describe_transactions(ids).await? {
        match described {
            Ok(it) => {
                let partitions = it.partitions.into_iter();
                known.extend(partitions.map(|partition| (partition, it.producer_id)));
            }
            // It has been forgotten since it was listed.
            Err(error) if error.code() == Some(ErrorCode::TRANSACTIONAL_ID_NOT_FOUND) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(known)
}

async fn hanging(admin: &Admin, args: HangingArgs, out: &Output) -> Result<(), Failure> {
    let partitions = partitions::resolve(admin, &args.partitions).await?;
    let (open, failed) = open(admin, partitions).await?;
    let before = time::now() - i64::try_from(args.longer_than.as_millis()).unwrap_or(i64::MAX);
    let is_old = |it: &&ProducerState| it.last_timestamp.is_none_or(|last| last <= before);
    let old = open.values().flatten().filter(is_old);
    let ids: BTreeSet<_> = old.map(|producer| producer.producer_id).collect();
    let known = if ids.is_empty() {
        HashSet::new()
    } else {
        let known = known_to_coordinators(admin, ids).await;
        known.map_err(|error| {
            let error = explain(&error);
            Failure::Failed(format!("it can't be told what hangs: {error}"))
        })?
    };
    let mut rows = Vec::new();
    for (partition, producers) in &open {
        for producer in producers.iter().filter(is_old) {
            if known.contains(&(partition.clone(), producer.producer_id)) {
                continue;
            }
            rows.push(row!(
                topic: &*partition.topic,
                partition: partition.partition,
                start_offset: producer.transaction_start_offset,
                producer_id: producer.producer_id,
                producer_epoch: producer.producer_epoch,
                coordinator_epoch: producer.coordinator_epoch,
                last_written: producer.last_timestamp.map(time::shown),
            ));
        }
    }
    out.rows(rows, "no transaction hangs there")?;
    failures(failed)
}

async fn abort(admin: &Admin, args: AbortArgs, out: &Output) -> Result<(), Failure> {
    let partitions = partitions::resolve(admin, &[args.partition]).await?;
    let [partition] = partitions.as_slice() else {
        return Err(Failure::Usage(
            "name one partition, such as orders:0".to_owned(),
        ));
    };
    let (open, failed) = open(admin, partitions.clone()).await?;
    failures(failed)?;
    let mut producers = open.into_values().flatten();
    let start = Some(args.start_offset);
    let Some(producer) = producers.find(|it| it.transaction_start_offset == start) else {
        return Err(Failure::Failed(format!(
            "no transaction that begins at offset {} is open in {partition}",
            args.start_offset
        )));
    };
    let id = producer.producer_id;
    confirm(
        args.consent,
        &format!("abort the transaction of producer {id} in {partition}"),
    )
    .await?;
    let hanging = HangingTransaction {
        partition: partition.clone(),
        producer_id: id,
        producer_epoch: i16::try_from(producer.producer_epoch).unwrap_or(i16::MAX),
        coordinator_epoch: producer.coordinator_epoch,
    };
    admin.abort_transaction(hanging).await?;
    let mut report = Report::new(out);
    let row = row!(topic: &*partition.topic, partition: partition.partition, producer_id: id);
    report.done(
        row,
        &format!("aborted the transaction of producer {id} in {partition}"),
    )?;
    report.finish()
}
