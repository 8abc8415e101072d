//! `backup_job` as it is installed, except that it can be killed at named points (support/executables.rs).

fn main() -> std::process::ExitCode {
    backup_job::main()
}
