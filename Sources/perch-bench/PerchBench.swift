// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import PerchCLI
import PerchPostgres
import ProgramTestSupport

/// `perch-bench list` names the cases, `perch-bench run` measures them; every other argument makes this executable the
/// engine that is measured, with DAGs of the wanted size (`BenchBundle`).
@main
enum PerchBench {
    @concurrent static func main() async {
        let arguments = Array(CommandLine.arguments.dropFirst())
        guard let first = arguments.first, ["list", "run", "help", "--help", "-h"].contains(first) else {
            await PerchCommandLine.main(BenchBundle.self, arguments: arguments)
            return
        }
        await BenchCommand.main(arguments)
    }
}

struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "perch-bench",
        abstract: "Measures what Perch is to reach, with the machine's own limits beside it.",
        subcommands: [ListCommand.self, RunCommand.self])
}

struct ListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "The cases and their usual sizes.")

    func run() {
        for one in BenchCase.all { print("\(one.name)\t\(one.size)\t\(one.summary)") }
    }
}

struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Measure cases: a line of JSON for each metric.",
        discussion: """
            Pools and limits are made as large as the size. Each line says on which kind of metastore it was measured, and \
            its limit is what that database does bare. Build with -c release.
            """)

    @Argument(help: "The cases. Default: all.") var cases: [String] = []
    @Option(help: "How large, instead of the usual size.") var size: Int?
    @Option(help: "Where homes are made: the disk that is measured.") var directory = "/var/tmp"
    @Option(
        help: ArgumentHelp(
            "Where metastores are: 'postgresql' starts a server for it, a URL as postgresql://user@host/database has a "
                + "database made for each case. Default: files of the homes.", valueName: "url"))
    var metastore: String?

    func validate() throws {
        let names = BenchCase.all.map(\.name)
        if let stray = cases.first(where: { !names.contains($0) }) {
            throw ValidationError("there is no case '\(stray)'; there are \(names.joined(separator: ", "))")
        }
        _ = try option()
        if let size, size < 1 { throw ValidationError("--size is \(size); it is a number from 1") }
    }

    private func option() throws -> MetastoreOption {
        do {
            return try MetastoreOption(metastore)
        } catch {
            throw ValidationError("\(error)")
        }
    }

    func run() async throws {
        switch try option() {
        case .files: try await measure(on: nil)
        case .server(let url): try await measure(on: DatabaseServer(url: url))
        case .ownServer:
            let cluster = try PostgresCluster(
                in: URL(filePath: directory).absoluteURL.path, trusting: true, connections: 100, isDurable: true)
            // It ends with this, even where a case fails.
            defer { cluster.stop() }
            try await measure(on: DatabaseServer(cluster))
        }
    }

    private func measure(on server: DatabaseServer?) async throws {
        for one in BenchCase.all where cases.isEmpty || cases.contains(one.name) {
            let place = try Place(directory: directory, server: server)
            defer { place.remove() }
            let machine = try place.commitTime()
            for metric in try await one.measure(place, size ?? one.size) {
                print(metric.line(case: one.name, commit: machine, isOnServer: place.isOnServer))
                fflush(nil)
            }
        }
    }
}
