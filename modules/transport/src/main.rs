//! `backup_transport`: see the library's `main`.

fn main() -> std::process::ExitCode {
    backup_transport::main()
}
