// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchSDK

struct ConfigCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config", abstract: "Show the settings in effect.",
        subcommands: [ConfigListCommand.self, ConfigGetValueCommand.self])
}

struct ConfigListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Every setting with its value and where that comes from.",
        discussion: "--set over the environment (PERCH__SECTION__KEY) over config.json in the home.")

    @OptionGroup var settings: SettingsOption
    @OptionGroup var home: HomeOption
    @OptionGroup var output: FormatOption

    func run() throws {
        let configuration = try settings.read(try home.resolve())
        var listing = Listing(output.format)
        try listing.add(
            configuration.entries.map { entry in
                [
                    "key": .text(entry.key.name), "value": .text(entry.shown), "origin": .text(entry.origin),
                    "variable": .text(entry.key.variable), "meaning": .text(entry.key.summary),
                ]
            })
        try listing.finish(empty: "no settings")
    }
}

struct ConfigGetValueCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get-value", abstract: "The value of one setting, on a line; exit code 1 where it is not set.")

    @Argument(help: "The setting, as core.parallelism, or its section.") var name: String
    @Argument(help: "The key, where only the section stands before it.") var key: String?
    @OptionGroup var settings: SettingsOption
    @OptionGroup var home: HomeOption

    func run() throws {
        let wanted = ([name] + [key].compactMap(\.self)).joined(separator: ".")
        let entries = try settings.read(try home.resolve()).entries
        guard let entry = entries.first(where: { $0.key.name == wanted }) else {
            throw PerchError(
                .notFound,
                "there is no setting '\(wanted.shown(60))'; \(NearName.hint(wanted, entries.map(\.key.name)))")
        }
        guard let value = entry.shown else {
            throw PerchError(.notFound, "\(wanted) is not set: \(entry.key.summary)")
        }
        try Console.shared.line(value)
        try Console.shared.flush()
    }
}

/// `--set`, for the commands that use settings.
struct SettingsOption: ParsableArguments {
    @Option(
        name: .customLong("set"), parsing: .singleValue,
        help: ArgumentHelp(
            "Set something for this process; `config list` names what there is.", valueName: "section.key=value"))
    var assignments: [String] = []

    /// A wrong flag is wrong usage, whatever the environment and the file say.
    func validate() throws {
        do {
            _ = try Configuration(flags: assignments, environment: [:], file: nil, path: "")
        } catch let error as PerchError {
            throw ValidationError(error.message)
        }
    }

    /// The settings in effect; `adding` counts like what was set.
    func read(_ home: Home, adding more: [String] = []) throws -> Configuration {
        try home.configuration(flags: assignments + more, environment: ProcessEnvironment.current)
    }
}
