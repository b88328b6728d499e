// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK
import PerchTriggersSQL

/// A PostgreSQL server of its own in a temporary folder, on a Unix socket and a port of the loopback. PostgreSQL does not
/// run as root; as root it runs as the user `nobody`.
final class PostgresCluster {
    let folder: String
    let port: Int
    private let programs: String
    private(set) var isRunning = false

    /// Where the server's programs are: Debian's newest, else those of `PATH`.
    static var programs: String? {
        let root = "/usr/lib/postgresql"
        // Because it need not be there.
        let versions = ((try? FileManager.default.contentsOfDirectory(atPath: root)) ?? [])
            .sorted { (Int($0) ?? 0) > (Int($1) ?? 0) }
        return versions.map { "\(root)/\($0)/bin" }.first { access("\($0)/initdb", X_OK) == 0 }
    }

    init(port: Int) throws {
        guard let programs = Self.programs else { throw PerchError(.unavailable, "no PostgreSQL server") }
        self.programs = programs
        self.port = port
        folder = "/tmp/pq-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        chmod(folder, 0o777)
        try "secret word".write(toFile: "\(folder)/password", atomically: false, encoding: .utf8)
        chmod("\(folder)/password", 0o644)
        try run(
            "initdb", "-D", "\(folder)/data", "-U", "perch", "--pwfile=\(folder)/password", "-A", "scram-sha-256",
            "--no-sync", "-E", "UTF8", "--locale=C")
        try start()
    }

    var password: String { "secret word" }

    func server(host: String? = nil, password: SQLPassword? = .secret("PG")) -> SQLDatabase {
        .postgres(host: host ?? folder, port: port, database: "postgres", user: "perch", password: password)
    }

    func start() throws {
        try run(
            "pg_ctl", "-D", "\(folder)/data", "-w", "-t", "30", "-l", "\(folder)/data/log", "-o",
            "-p \(port) -k \(folder) -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=20", "start")
        isRunning = true
    }

    /// Ends the server as if the machine had lost power.
    func stop() throws {
        try run("pg_ctl", "-D", "\(folder)/data", "-w", "-m", "immediate", "stop")
        isRunning = false
    }

    /// Runs statements as another client.
    func execute(_ text: String) throws {
        try run(
            "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", folder, "-p", "\(port)", "-U", "perch", "-d",
            "postgres", "-c", text)
    }

    private func run(_ program: String, _ arguments: String...) throws {
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
        // A server that goes on must not hold a pipe open.
        let log = "\(folder)/\(program).out"
        _ = FileManager.default.createFile(atPath: log, contents: nil)
        let output = FileHandle(forWritingAtPath: log)
        process.standardOutput = output
        process.standardError = output
        process.standardInput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            let words = try String(contentsOfFile: log, encoding: .utf8)
            throw PerchError(.unavailable, "\(program) ended with \(process.terminationStatus): \(words)")
        }
    }

    deinit {
        // Because a test that failed half-way may leave it in any state.
        if isRunning { try? stop() }
        try? FileManager.default.removeItem(atPath: folder)
    }
}
