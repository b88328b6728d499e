// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Glibc
internal import PerchMetastore
internal import PerchSDK

/// `--home`, which every command takes.
struct HomeOption: ParsableArguments {
    @Option(
        name: .long, help: ArgumentHelp("The home of this Perch. Default: $PERCH_HOME, else ./.perch", valueName: "dir")
    )
    var home: String?
    @Option(
        name: .long,
        help: ArgumentHelp(
            "The database of the metastore, as postgresql://user@host/database. Default: the setting metastore.url, else "
                + "a file of the home", valueName: "url"))
    var metastore: String?

    func resolve() throws -> Home {
        try Home(option: home, metastore: metastore, environment: ProcessEnvironment.current)
    }

    /// Runs `body` on the opened metastore and closes it again.
    func withMetastore<Result: Sendable>(
        _ body: (Home, Metastore) async throws -> Result
    ) async throws -> Result {
        let home = try resolve()
        let metastore = try home.open()
        do {
            let result = try await body(home, metastore)
            try metastore.close()
            return result
        } catch {
            try? metastore.close()  // because the first fault is the one to tell
            throw error
        }
    }
}

/// `-o`, which every command takes that shows something.
struct FormatOption: ParsableArguments {
    @Option(
        name: [.customShort("o"), .customLong("output")], help: "How the answer is written: table, json, yaml or plain."
    )
    var format: OutputFormat = .table
}

/// The variables of this process.
enum ProcessEnvironment {
    static var current: [String: String] {
        var variables: [String: String] = [:]
        var next = environ
        while let entry = next.pointee {
            let text = String(cString: entry)
            if let equals = text.firstIndex(of: "=") {
                variables[String(text[..<equals])] = String(text[text.index(after: equals)...])
            }
            next += 1
        }
        return variables
    }
}

/// Who types.
enum Person {
    /// Whoever sent the command, else the name of the account under which this process runs: as it is recorded with what it does.
    static var name: String {
        if let person = RemoteOrigin.person { return person }
        guard let account = getpwuid(getuid()), let name = account.pointee.pw_name else { return "uid \(getuid())" }
        return String(cString: name)
    }
}

extension JSONValue {
    /// Reads an option's value; what is wrong with it is wrong usage.
    static func option(_ name: String, _ text: String) throws -> JSONValue {
        do {
            return try JSONValue(parsing: text)
        } catch let error as PerchError {
            throw ValidationError("\(name): \(error.message)")
        }
    }
}

/// Refuses a count that is no count.
func checkedLimit(_ limit: Int, _ name: String = "--limit") throws {
    guard limit >= 1 else { throw ValidationError("\(name) is \(limit); it is a number from 1") }
}

/// Reads the name of a state; unknown ones are answered with those that there are.
func stateOption<State: RawRepresentable<String> & CaseIterable>(_ text: String) throws -> State {
    if let state = State(rawValue: text) { return state }
    let names = State.allCases.map(\.rawValue).joined(separator: ", ")
    throw ValidationError("there is no state '\(text)'; there are \(names)")
}

extension TimeSpan {
    /// Reads an option's value, a length that is not negative; what is wrong with it is wrong usage.
    static func option(_ name: String, _ text: String) throws -> TimeSpan {
        let span: TimeSpan
        do {
            span = try TimeSpan(parsing: text)
        } catch {
            throw ValidationError("\(name): \(error.message)")
        }
        guard span.microseconds >= 0 else {
            throw ValidationError("\(name): \(span) is negative; write a span such as 30m or 2d")
        }
        return span
    }
}
