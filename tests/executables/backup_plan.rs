//! `backup_plan` as it is installed (support/executables.rs).

fn main() -> std::process::ExitCode {
    backup_plan::main()
}
