// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc

/// A PostgreSQL server of its own in a temporary folder, on a Unix socket and a port of the loopback. PostgreSQL does not
/// run as root; as root it runs as the user `nobody`.
public final class PostgresCluster {
    public let folder: String
    public let port: Int
    private let programs: String
    private let connections: Int
    private let isDurable: Bool
    /// The server, while it runs.
    private var server: Process?

    /// Where the server's programs are: those of Debian's newest version.
    public static var programs: String? {
        let root = "/usr/lib/postgresql"
        // Because it need not be there.
        let versions = ((try? FileManager.default.contentsOfDirectory(atPath: root)) ?? [])
            .sorted { (Int($0) ?? 0) > (Int($1) ?? 0) }
        return versions.map { "\(root)/\($0)/bin" }.first { access("\($0)/initdb", X_OK) == 0 }
    }

    /// Makes a cluster and starts its server.
    ///
    /// - Parameters:
    ///   - directory: Where its folder is made; everybody has to be let through to it.
    ///   - trusting: Whether it asks nobody on this machine for a password, which takes some milliseconds each time.
    ///   - connections: How many it takes at once.
    ///   - isDurable: Whether what it has committed outlives a power loss; tests need not wait for that.
    public init(
        in directory: String = "/tmp", trusting: Bool = false, connections: Int = 20, isDurable: Bool = false
    ) throws {
        guard let programs = Self.programs else {
            throw RunningEngineError(
                description: "there is no PostgreSQL server; install the Debian package postgresql")
        }
        self.programs = programs
        self.connections = connections
        self.isDurable = isDurable
        port = try FreePort.find()
        folder = "\(directory)/pq-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        chmod(folder, 0o777)
        try password.write(toFile: "\(folder)/password", atomically: false, encoding: .utf8)
        chmod("\(folder)/password", 0o644)
        try run(
            "initdb", "-D", "\(folder)/data", "-U", "perch", "--pwfile=\(folder)/password", "-A",
            trusting ? "trust" : "scram-sha-256",
            "--no-sync", "-E", "UTF8", "--locale=C")
        try start()
    }

    /// Of its user `perch`, to whom its database `postgres` belongs.
    public var password: String { "secret word" }

    /// Starts the server and returns when it answers.
    public func start() throws {
        let process = try prepare(
            "postgres", "-D", "\(folder)/data", "-p", "\(port)", "-k", folder, "-c", "listen_addresses=127.0.0.1", "-c",
            "fsync=\(isDurable ? "on" : "off")", "-c", "max_connections=\(connections)")
        try process.run()
        server = process
        for _ in 0..<300 where process.isRunning {
            do {
                return try execute("SELECT 1")
            } catch {
                usleep(100_000)
            }
        }
        throw RunningEngineError(description: "PostgreSQL does not come up: \(try words(of: "postgres"))")
    }

    /// Ends the server as if it had crashed.
    public func stop() {
        guard let server else { return }
        kill(server.processIdentifier, SIGQUIT)
        server.waitUntilExit()
        self.server = nil
    }

    /// Runs statements as another client.
    public func execute(_ text: String) throws {
        try run(
            "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", folder, "-p", "\(port)", "-U", "perch", "-d",
            "postgres", "-c", text)
    }

    /// What a query gives, as `psql` writes it: a line for each row, and `|` between values.
    public func select(_ text: String) throws -> String {
        try run(
            "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", folder, "-p", "\(port)", "-U", "perch", "-d",
            "postgres", "-c", text)
        return try words(of: "psql").trimmingCharacters(in: .newlines)
    }

    private func run(_ program: String, _ arguments: String...) throws {
        let process = try prepare(program, arguments)
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw RunningEngineError(
                description: "\(program) ended with \(process.terminationStatus): \(try words(of: program))")
        }
    }

    private func words(of program: String) throws -> String {
        try String(contentsOfFile: "\(folder)/\(program).out", encoding: .utf8)
    }

    private func prepare(_ program: String, _ arguments: String...) throws -> Process {
        try prepare(program, arguments)
    }

    private func prepare(_ program: String, _ arguments: [String]) throws -> Process {
        let process = Process()
        let command = ["\(programs)/\(program)"] + arguments
        if geteuid() == 0 {
            process.executableURL = URL(fileURLWithPath: "/usr/bin/setpriv")
            process.arguments = ["--reuid=65534", "--regid=65534", "--clear-groups", "--"] + command
        } else {
            process.executableURL = URL(fileURLWithPath: command[0])
            process.arguments = arguments
        }
        process.currentDirectoryURL = URL(fileURLWithPath: folder)
        process.environment = ["PATH": "/usr/bin:/bin", "PGPASSWORD": password, "HOME": folder, "LC_ALL": "C"]
        let log = URL(fileURLWithPath: "\(folder)/\(program).out")
        try Data().write(to: log)
        let output = try FileHandle(forWritingTo: log)
        process.standardOutput = output
        process.standardError = output
        process.standardInput = FileHandle.nullDevice
        return process
    }

    deinit {
        stop()
        try? FileManager.default.removeItem(atPath: folder)  // because what is left in /tmp fails no test
    }
}
