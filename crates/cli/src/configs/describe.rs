//! `klamm configs describe`.

use clap::Args;
use klamm::Admin;

use super::ResourceArgs;
use crate::failure::Failure;
use crate::output::{Output, row};

#[derive(Args, Debug)]
pub(crate) struct DescribeArgs {
    #[command(flatten)]
    resource: ResourceArgs,
    /// Also what has its default
    #[arg(short, long)]
    all: bool,
    /// Only these properties, whatever they are set to
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// With what each property is good for, in the broker's words
    #[arg(long)]
    documentation: bool,
}

pub(super) async fn run(admin: &Admin, args: DescribeArgs, out: &Output) -> Result<(), Failure> {
    let mut describe = admin
        .describe_configs([args.resource.resource()])
        .documentation(args.documentation);
    if !args.only.is_empty() {
        describe = describe.names(&args.only);
    }
    let mut rows = Vec::new();
    for configs in describe.await?.all()? {
        for (name, entry) in configs {
            if entry.is_default() && !args.all && args.only.is_empty() {
                continue;
            }
            let mut row = row!(
                name: name,
                value: entry.value.as_deref(),
                source: entry.source.to_string(),
                sensitive: entry.is_sensitive,
                read_only: entry.is_read_only,
            );
            if args.documentation {
                row.push(("documentation", entry.documentation.into()));
            }
            rows.push(row);
        }
    }
    out.rows(rows, "all is as by default; --all shows that, too")
}
