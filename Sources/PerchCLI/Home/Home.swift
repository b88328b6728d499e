// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Logging
internal import PerchMetastore
internal import PerchPostgres
internal import PerchSDK

/// The directory that holds everything of one Perch: metastore, logs, sockets, settings.
struct Home: Sendable {
    /// Absolute.
    let path: String
    /// How long a role that starts waits for the server of its metastore.
    private static let serverPatience = TimeSpan.seconds(60)
    /// What `--metastore` says.
    private let metastore: String?
    private let environment: [String: String]

    /// `--home`, else `$PERCH_HOME`, else `.perch` in the working directory.
    ///
    /// - Parameter metastore: `--metastore`, which goes before the settings.
    init(option: String?, metastore: String? = nil, environment: [String: String]) throws {
        self.metastore = metastore
        self.environment = environment
        let given = option ?? environment["PERCH_HOME"].flatMap { $0.isEmpty ? nil : $0 } ?? ".perch"
        guard !given.isEmpty else { throw PerchError(.invalid, "--home is empty; name a directory") }
        guard !given.utf8.contains(0) else { throw PerchError(.invalid, "--home holds a zero byte") }
        path = try Self.absolute(given)
    }

    /// A path that holds wherever the process goes.
    static func absolute(_ given: String) throws -> String {
        if given.hasPrefix("/") { return given }
        guard let directory = getcwd(nil, 0) else {
            throw PerchError(.unavailable, "the working directory cannot be read: \(String(cString: strerror(errno)))")
        }
        defer { free(directory) }
        let relative = given.hasPrefix("./") ? String(given.dropFirst(2)) : given
        return String(cString: directory) + (relative.isEmpty ? "" : "/" + relative)
    }

    /// The files of the home.
    var paths: HomePaths { HomePaths(path) }

    /// Opens the metastore. Only an engine creates it, and migrates it. Its clock is the server's, where it is on one.
    ///
    /// - Parameters:
    ///   - configuration: The settings in effect; nil: they are read.
    ///   - log: Where a role says that it waits for a server that is away; nil: it is no role, and does not wait.
    func open(
        _ access: Metastore.Access = .command, _ configuration: Configuration? = nil,
        meter: (any MetastoreMeter)? = nil, log: Logger? = nil
    ) throws -> Metastore {
        if let server = try postgres(configuration) {
            if let log {
                server.awaitServer(patience: Self.serverPatience) { name in
                    log.warning(
                        "the server of the metastore does not answer: waiting for it",
                        metadata: ["server": "\(name)", "for": "\(Self.serverPatience)"])
                }
            }
            return try Metastore.open(postgres: server, home: path, access: access, meter: meter)
        }
        do {
            return try Metastore.open(home: path, access: access, clock: SystemClock(), meter: meter)
        } catch let error as PerchError where error.code == .notFound {
            throw PerchError(
                .notFound,
                "there is no metastore in \(path); run `\(ProgramName.current) standalone` there, or "
                    + "`\(ProgramName.current) db migrate`, or name another home with --home")
        }
    }

    /// The server that the metastore is on; nil where it is a file of the home.
    ///
    /// - Parameter configuration: The settings in effect; nil: they are read.
    func postgres(_ configuration: Configuration? = nil) throws -> PostgresSettings? {
        if let metastore, try PostgresAddress(metastore).hasPassword {
            throw PerchError(
                .invalid,
                "--metastore: everybody on this machine can read a command line; leave the password out and put it into "
                    + "PGPASSWORD or ~/.pgpass, or the whole URL into PERCH__METASTORE__URL")
        }
        guard try configuration != nil || metastore != nil || isMetastoreSet() else { return nil }
        let settings = try configuration ?? self.configuration(flags: [], environment: environment)
        guard let url = metastore ?? settings.text("metastore.url") else { return nil }
        return try PostgresSettings(
            url: url, listenURL: settings.text("metastore.listen_url"),
            prepares: settings.number("metastore.prepare") != 0)
    }

    /// Whether a setting may say where the metastore is: a command that works on a file needs no other one to be right.
    private func isMetastoreSet() throws -> Bool {
        try environment.keys.contains { $0.hasPrefix("PERCH__METASTORE__") }
            || TextFile.readIfPresent(paths.configuration)?.contains("\"metastore\"") == true
    }

    /// The settings in effect for this home.
    func configuration(flags: [String], environment: [String: String]) throws -> Configuration {
        try Configuration(
            flags: flags, environment: environment, file: try TextFile.readIfPresent(paths.configuration),
            path: paths.configuration)
    }

    /// The engine that serves this home at this moment, if one does: somebody listens at its doorbell. Its lock is not
    /// tried, for an engine that starts at that moment would find it taken.
    func engine() throws -> LiveEngine? {
        let socket = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { throw TextFile.fault("open a socket for", paths.doorbell) }
        defer { close(socket) }
        guard try EngineLine.connect(socket, to: paths.doorbell) else { return nil }
        let text = try TextFile.readIfPresent(paths.lock) ?? ""
        return LiveEngine(pid: Int32(text.prefix { $0.isNumber }))
    }

    /// Whether an engine may be alive. Of a metastore that many machines work on, it may be on another one.
    func mayHaveEngine() throws -> Bool {
        if try engine() != nil { return true }
        return try postgres() != nil
    }

    /// Says on standard error that a change waits for an engine, where none is alive.
    func noteMissingEngine(_ consequence: String) throws {
        guard try !mayHaveEngine() else { return }
        Console.shared.say("note: no engine is running on this home; \(consequence)")
    }
}

/// An engine that is alive.
struct LiveEngine: Sendable {
    /// Its process id, as it wrote it into its lock.
    var pid: Int32?
}

/// The machine's wall clock.
struct SystemClock: PerchClock {
    var now: Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(microseconds: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000)
    }
}
