//! `klamm groups delete-offsets`.

use clap::Args;
use klamm::Admin;

use crate::args::Consent;
use crate::confirm::confirm;
use crate::failure::Failure;
use crate::output::{Output, Report};
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
    let count = partitions.len();
    let what = format!(
        "delete the offsets of group {} in {count} partitions",
        args.group
    );
    confirm(args.consent, &what)?;
    let results = admin.delete_group_offsets(&args.group, partitions).await?;
    let mut report = Report::new(out);
    report.results("partition", results, |partition, ()| {
        format!("deleted the offset of {partition}")
    })?;
    report.finish()
}
