fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    match args.next().as_deref() {
        Some("openapi") => println!("{}", order::openapi().to_pretty_json()?),
        Some("audit") => order::audit::run(std::iter::once("order audit".to_owned()).chain(args))?,
        Some(command @ "create-admin") => order::create_admin([command.to_owned()].into_iter().chain(args))?,
        _ => order::serve()?,
    }
    Ok(())
}
