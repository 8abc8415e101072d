//! `backup_restore`: see the library's `main`.

fn main() -> std::process::ExitCode {
    backup_restore::main()
}
