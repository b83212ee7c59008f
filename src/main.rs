use std::process::ExitCode;

fn main() -> ExitCode {
    vidimus::cli::main()
}
