// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import PerchMetastore
internal import PerchPostgres
internal import PerchSDK

/// The settings in effect: flags over the environment (`PERCH__SECTION__KEY`) over `<home>/config.json`.
struct Configuration: Sendable {
    /// One setting with where its value comes from.
    struct Entry: Sendable {
        var key: ConfigurationKey
        /// As it was written; nil where it is not set.
        var value: String?
        /// `default`, `config.json`, the variable's name, `--set`.
        var origin: String

        /// The value as people may see it.
        var shown: String? {
            switch key.kind {
            case .secret: return value.map { _ in "(secret)" }
            case .variables:
                let names = value.flatMap { try? key.variables($0) }?.keys.sorted()  // because it was read before
                return names.map { "\($0.joined(separator: ", ")) (without their values)" }
            case .database: return value.map { (try? PostgresAddress($0).name) ?? "" }  // because it was read before
            default: return value
            }
        }
    }

    let entries: [Entry]

    /// Reads every source. An unknown key or an ill-typed value anywhere is an error that names it.
    ///
    /// - Parameters:
    ///   - flags: `section.key=value`, from `--set`.
    ///   - environment: The environment of the process.
    ///   - file: The text of `config.json`; nil where there is none.
    ///   - path: The file's path, for messages.
    init(flags: [String], environment: [String: String], file: String?, path: String) throws {
        var values: [String: (value: String, origin: String)] = [:]
        if let file {
            for (name, value) in try Self.members(of: file, path: path) {
                values[name] = (value, path)
            }
        }
        for (variable, value) in environment.sorted(by: { $0.key < $1.key }) where variable.hasPrefix("PERCH__") {
            guard let key = ConfigurationKey.of(variable: variable) else {
                throw PerchError(
                    .invalid,
                    "the environment variable \(variable.shown(60)) sets nothing; "
                        + Self.hint(variable, \.variable))
            }
            values[key.name] = (value, variable)
        }
        for flag in flags {
            guard let equals = flag.firstIndex(of: "=") else {
                throw PerchError(.invalid, "--set takes section.key=value, not '\(flag.shown())'")
            }
            let name = String(flag[..<equals])
            guard let key = ConfigurationKey.named(name) else {
                throw PerchError(
                    .invalid, "--set: there is no setting '\(name.shown(60))'; " + Self.hint(name, \.name))
            }
            if case .secret = key.kind {
                throw PerchError(
                    .invalid,
                    "--set: everybody on this machine can read a command line; put \(name) into the file that "
                        + "\(name)_file names, or into the environment as \(key.variable)")
            }
            if case .variables = key.kind {
                throw PerchError(
                    .invalid,
                    "--set: everybody on this machine can read a command line; put \(name) into config.json, or into the "
                        + "environment as \(key.variable)")
            }
            let value = String(flag[flag.index(after: equals)...])
            if case .database = key.kind, PostgresAddress.isOne(value), try PostgresAddress(value).hasPassword {
                throw PerchError(
                    .invalid,
                    "--set: everybody on this machine can read a command line; leave the password of \(name) out and put "
                        + "it into PGPASSWORD or ~/.pgpass, or the whole URL into \(key.variable)")
            }
            values[name] = (value, "--set")
        }
        let others = values.keys.sorted().filter { name in !ConfigurationKey.all.contains { $0.name == name } }
        entries = try (ConfigurationKey.all + others.compactMap { ConfigurationKey.named($0) }).map { key in
            guard let given = values[key.name] else {
                return Entry(key: key, value: key.fallback, origin: "default")
            }
            do {
                _ = try key.number(given.value)
            } catch let error as PerchError {
                throw PerchError(error.code, "\(given.origin): \(error.message)")
            }
            return Entry(key: key, value: given.value, origin: given.origin)
        }
    }

    /// Settings that were read before.
    init(entries: [Entry]) { self.entries = entries }

    /// The number behind a setting; nil where it is not set and has no default.
    func number(_ name: String) -> Int64? {
        guard let entry = entries.first(where: { $0.key.name == name }), let value = entry.value else { return nil }
        return try? entry.key.number(value)  // because every value was read once when the settings were made
    }

    /// What is written for a setting; nil where it is not set and has no default.
    func text(_ name: String) -> String? {
        entries.first { $0.key.name == name }?.value
    }

    /// The level from which the engine's log is written.
    var logLevel: Logger.Level {
        entries.first { $0.key.name == "log.level" }?.value.flatMap(Logger.Level.init(rawValue:)) ?? .info
    }

    /// What may have been meant.
    private static func hint(_ name: String, _ path: KeyPath<ConfigurationKey, String>) -> String {
        let known = Set(ConfigurationKey.all.map { $0[keyPath: path] })
        return NearName.hint(name, known.sorted()) + " (`config list` shows all)"
    }

    /// `{"core": {"parallelism": 8}}` as `core.parallelism` and `8`.
    private static func members(of file: String, path: String) throws -> [(String, String)] {
        let document: JSONValue
        do {
            document = try JSONValue(parsing: file)
        } catch let error as PerchError {
            throw PerchError(.invalid, "\(path): \(error.message)")
        }
        guard case .object(let sections) = document else {
            throw PerchError(.invalid, "\(path) holds no object; it is written {\"core\": {\"parallelism\": 8}}")
        }
        var found: [(String, String)] = []
        func take(_ name: String, _ value: JSONValue) throws {
            guard ConfigurationKey.named(name) != nil else {
                throw PerchError(
                    .invalid, "\(path): there is no setting '\(name.shown(60))'; " + hint(name, \.name))
            }
            switch value {
            case .integer(let number): found.append((name, String(number)))
            case .string(let text): found.append((name, text))
            case .bool(let isTrue): found.append((name, isTrue ? "true" : "false"))
            case .object where ConfigurationKey.holdsObject(name): found.append((name, value.text))
            default: throw PerchError(.invalid, "\(path): '\(name)' is no number, string or truth value")
            }
        }
        for (section, value) in sections.sorted(by: { $0.key < $1.key }) {
            guard case .object(let members) = value else {
                throw PerchError(
                    .invalid, "\(path): '\(section.shown(60))' is no section; " + hint(section, \.section))
            }
            for (key, value) in members.sorted(by: { $0.key < $1.key }) {
                guard section == ConfigurationKey.bundlesSection else {
                    try take("\(section).\(key)", value)
                    continue
                }
                if let problem = BundlePlace.problem(ofOther: key) { throw PerchError(.invalid, "\(path): \(problem)") }
                guard case .object(let members) = value else {
                    throw PerchError(
                        .invalid,
                        "\(path): '\(section).\(key)' is no object; it is written {\"bundles\": {\"sales\": {\"processes\": 2}}}"
                    )
                }
                for (setting, value) in members.sorted(by: { $0.key < $1.key }) {
                    try take("\(section).\(key).\(setting)", value)
                }
            }
        }
        return found
    }
}
