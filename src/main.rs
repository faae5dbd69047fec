use std::process::ExitCode;

fn main() -> ExitCode {
    pentimento::cli::main()
}
