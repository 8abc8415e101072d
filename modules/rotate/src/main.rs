//! `backup_rotate`: see the library's `main`.

fn main() -> std::process::ExitCode {
    backup_rotate::main()
}
