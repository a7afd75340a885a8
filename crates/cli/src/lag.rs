//! `klamm lag`.

use std::collections::HashMap;
use std::time::Duration;

use clap::Args;
use klamm::Admin;
use tokio::time::Instant;

use crate::args::ClusterArgs;
use crate::failure::{Failure, note};
use crate::groups::progress::{self, Found, Progress};
use crate::interrupt::interrupted;
use crate::output::{Output, Row, failures, row};
use crate::{session, time};

#[derive(Args, Debug)]
#[command(after_help = "\
A partition without a committed offset has no lag, as where its reading begins is its consumers' choice \
(auto.offset.reset): WITHOUT LAG counts those, and none of them is in LAG. Share groups have no offsets to be \
behind of; klamm groups describe shows where they start.")]
pub(crate) struct LagArgs {
    /// Ids of the groups; all of consumers if there are none
    #[arg(value_name = "GROUP")]
    groups: Vec<String>,
    /// Look again and again, until Ctrl-C
    #[arg(short, long)]
    watch: bool,
    /// Pause between looks, such as 500ms or 2s
    #[arg(short = 'n', long, value_name = "DURATION", default_value = "2s", value_parser = time::interval)]
    interval: Duration,
    /// End after so many looks
    #[arg(short, long, requires = "watch")]
    count: Option<u64>,
    /// A line for each partition
    #[arg(short, long)]
    partitions: bool,
}

pub(crate) async fn run(cluster: ClusterArgs, args: LagArgs, out: &Output) -> Result<(), Failure> {
    let watched = async {
        let admin = session::admin(cluster).await?;
        if !args.watch {
            return once(&admin, &args, out).await;
        }
        watch(&admin, &args, out).await
    };
    tokio::select! {
        ended = watched => ended,
        // Without an end of its own, that is how watching ends.
        () = interrupted() => if args.watch && args.count.is_none() {
            Ok(())
        } else {
            note("interrupted before it was done");
            Err(Failure::Interrupted)
        },
    }
}

async fn once(admin: &Admin, args: &LagArgs, out: &Output) -> Result<(), Failure> {
    let found = progress::of(admin, &args.groups).await?;
    let rows = found.groups.iter().flat_map(|group| rows(group, args));
    out.rows(rows.collect(), "there are no groups of consumers")?;
    failures(told(found, args))
}

/// What is not known; of groups that were named, also that they are not there.
fn told(found: Found, args: &LagArgs) -> Vec<String> {
    let missing: Vec<_> = found
        .missing()
        .filter(|_| !args.groups.is_empty())
        .collect();
    found.failures.into_iter().chain(missing).collect()
}

fn rows(progress: &Progress, args: &LagArgs) -> Vec<Row> {
    let group = progress.group.group_id.as_str();
    if args.partitions {
        let rows = progress.partitions.iter().map(|(partition, at)| {
            row!(
                group: group,
                topic: &*partition.topic,
                partition: partition.partition,
                committed: at.committed,
                end: at.end,
                lag: at.lag(),
            )
        });
        return rows.collect();
    }
    let lags = progress.partitions.values().map(|at| at.lag().unwrap_or(0));
    vec![row!(
        group: group,
        state: progress.group.state.to_string(),
        members: progress.group.members.len(),
        partitions: progress.partitions.len(),
        lag: progress.lag(),
        without_lag: progress.without_lag(),
        max_lag: lags.max().unwrap_or(0),
    )]
}

/// What a group had at the look before.
struct Before {
    at: Instant,
    committed: i64,
    end: i64,
}

async fn watch(admin: &Admin, args: &LagArgs, out: &Output) -> Result<(), Failure> {
    let mut befores: HashMap<String, Before> = HashMap::new();
    let mut ticks = tokio::time::interval(args.interval);
    let mut looks = 0;
    loop {
        ticks.tick().await;
        let looked = progress::of(admin, &args.groups).await;
        looks += 1;
        let found = match looked {
            Ok(found) => found,
            // Whoever watches wants to see it come back.
            Err(Failure::Failed(reason)) if args.count.is_none_or(|count| looks < count) => {
                note(reason);
                continue;
            }
            Err(failure) => return Err(failure),
        };
        let stamp = time::shown(time::now());
        let rows = found.groups.iter().flat_map(|group| {
            let rates = rates(&mut befores, group);
            let rows = rows(group, args).into_iter();
            rows.map(|mut row| {
                row.insert(0, ("time", stamp.as_str().into()));
                if !args.partitions {
                    row.push(("written_per_s", rates.map(|rates| rates.written).into()));
                    row.push(("read_per_s", rates.map(|rates| rates.read).into()));
                }
                row
            })
            .collect::<Vec<_>>()
        });
        let rows: Vec<_> = rows.collect();
        if out.is_table() {
            out.clear()?;
            out.rows(rows, "there are no groups of consumers")?;
        } else {
            rows.into_iter().try_for_each(|row| out.stream(row))?;
        }
        if args.count.is_some_and(|count| looks >= count) {
            return failures(told(found, args));
        }
        told(found, args).iter().for_each(note);
    }
}

/// Records a second, since the look before.
#[derive(Clone, Copy)]
struct Rates {
    written: i64,
    read: i64,
}

fn rates(befores: &mut HashMap<String, Before>, progress: &Progress) -> Option<Rates> {
    let known = progress.partitions.values();
    let (mut committed, mut end) = (0, 0);
    for at in known.filter(|at| at.lag().is_some()) {
        committed += at.committed.unwrap_or(0);
        end += at.end.unwrap_or(0);
    }
    let at = Instant::now();
    let group = progress.group.group_id.clone();
    let before = befores.insert(group, Before { at, committed, end })?;
    let seconds = at.duration_since(before.at).as_secs_f64().max(0.001);
    let rate = |now: i64, before: i64| ((now - before) as f64 / seconds).round() as i64;
    Some(Rates {
        written: rate(end, before.end),
        read: rate(committed, before.committed),
    })
}
