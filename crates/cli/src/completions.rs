//! `klamm completions`.

use std::io::Write as _;

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::args::Cli;
use crate::failure::Failure;

#[derive(Args, Debug)]
#[command(
    after_help = "For bash: klamm completions bash > ~/.local/share/bash-completion/completions/klamm"
)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(args: &CompletionsArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "klamm", &mut script);
    let written = std::io::stdout().write_all(&script);
    written.map_err(|error| Failure::output(&error))
}
