//! `klamm groups delete-offsets`.

use clap::Args;
use klamm::Admin;

use crate::args::Consent;
use crate::confirm::confirm;
use crate::failure::Failure;
use crate::output::{Output, Report, counted};
use crate::partitions::{self, Partitions};

#[derive(Args, Debug)]
pub(crate) struct DeleteOffsetsArgs {
    /// Id of the group
    group: String,
    /// Topics, or some of their partitions; repeatable
    #[arg(long = "topic", required = true, value_name = "TOPIC[:0,2,4-6]")]
    topics: Vec<Partitions>,
    #[command(flatten)]
    consent: Consent,
}

pub(super) async fn delete(
    admin: &Admin,
    args: DeleteOffsetsArgs,
    out: &Output,
) -> Result<(), Failure> {
    let partitions = partitions::resolve(admin, &args.topics).await?;
    let what = format!(
        "delete the offsets of group {} in {}",
        args.group,
        counted(partitions.len() as u64, "partition")
    );
    confirm(args.consent, &what).await?;
    let results = admin.delete_group_offsets(&args.group, partitions).await?;
    let mut report = Report::new(out);
    report.results("partition", results, |partition, ()| {
        format!("deleted the offset of {partition}")
    })?;
    report.finish()
}
