// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchMetastore
internal import PerchSDK

/// The directory that holds everything of one Perch: metastore, logs, sockets, settings.
struct Home: Sendable {
    /// Absolute.
    let path: String

    /// `--home`, else `$PERCH_HOME`, else `.perch` in the working directory.
    init(option: String?, environment: [String: String]) throws {
        let given = option ?? environment["PERCH_HOME"].flatMap { $0.isEmpty ? nil : $0 } ?? ".perch"
        guard !given.isEmpty else { throw PerchError(.invalid, "--home is empty; name a directory") }
        guard !given.utf8.contains(0) else { throw PerchError(.invalid, "--home holds a zero byte") }
        guard !given.hasPrefix("/") else {
            path = given
            return
        }
        guard let directory = getcwd(nil, 0) else {
            throw PerchError(.unavailable, "the working directory cannot be read: \(String(cString: strerror(errno)))")
        }
        defer { free(directory) }
        let relative = given.hasPrefix("./") ? String(given.dropFirst(2)) : given
        path = String(cString: directory) + (relative.isEmpty ? "" : "/" + relative)
    }

    var database: String { path + "/perch.db" }
    var configuration: String { path + "/config.json" }
    var logs: String { path + "/logs" }
    var doorbellSocket: String { path + "/doorbell.sock" }
    var eventSocket: String { path + "/events.sock" }
    var inspectionSocket: String { path + "/inspect.sock" }
    var lock: String { path + "/engine.lock" }

    /// Opens the metastore for a command: never creates it, never migrates it.
    func open() throws -> Metastore {
        do {
            return try Metastore.open(home: path, access: .command, clock: SystemClock())
        } catch let error as PerchError where error.code == .notFound {
            throw PerchError(
                .notFound,
                "there is no metastore in \(path); run `\(ProgramName.current) standalone` there, or "
                    + "`\(ProgramName.current) db migrate`, or name another home with --home")
        }
    }

    /// The settings in effect for this home.
    func configuration(flags: [String], environment: [String: String]) throws -> Configuration {
        try Configuration(
            flags: flags, environment: environment, file: try TextFile.readIfPresent(configuration),
            path: configuration)
    }

    /// Whether an engine serves this home at this moment: somebody listens at its doorbell.
    var hasEngine: Bool {
        let socket = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { return false }
        defer { close(socket) }
        return (try? UnixSocket.connect(socket, to: doorbellSocket)) != nil  // because a refusal is the answer: nobody is there
    }

    /// Says on standard error that a change waits for an engine, where none is alive.
    func noteMissingEngine(_ consequence: String) {
        guard !hasEngine else { return }
        Console.shared.say("note: no engine is running on this home; \(consequence)")
    }
}

/// The machine's wall clock.
struct SystemClock: PerchClock {
    var now: Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(microseconds: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000)
    }
}
