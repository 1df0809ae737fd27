fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    match args.next().as_deref() {
        Some("openapi") => println!("{}", inventory::openapi().to_pretty_json()?),
        Some("audit") => inventory::audit::run(std::iter::once("inventory audit".to_owned()).chain(args))?,
        _ => inventory::serve()?,
    }
    Ok(())
}
