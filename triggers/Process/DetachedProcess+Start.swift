// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc
internal import PerchSDK
internal import Synchronization

extension DetachedProcess {
    /// `$1` is the folder of the records. The claim is a hard link: of two supervisors one gets it, the other one ends
    /// without having started anything. Signals are caught, so that the supervisor sees the end of what it has started.
    private static let supervisor = """
        records=$1; shift
        read -r stat < /proc/$$/stat || exit 1
        read -r boot < /proc/sys/kernel/random/boot_id || exit 1
        start=$(set -f; set -- ${stat##*) }; echo "${20}")
        printf '%s %s %s\\n' "$$" "$start" "$boot" > "$records/started.$$" || exit 1
        ln "$records/started.$$" "$records/started" 2>/dev/null || { rm -f "$records/started.$$"; exit 1; }
        rm -f "$records/started.$$"
        trap : HUP INT TERM
        exec > "$records/output" 2>&1
        "$@"
        code=$?
        printf '%s %s\\n' "$code" "$(date +%s%N)" > "$records/end.new" && mv "$records/end.new" "$records/end"
        """

    /// Supervisors that this process started and that are to be collected when they have ended.
    private static let children = Mutex<[pid_t]>([])

    /// Starts a program that goes on when the task, its bundle and the engine are gone. The same key in the same folder
    /// gives the same process, running or ended, so that a step that runs twice does not start it twice.
    ///
    /// - Parameters:
    ///   - path: The program's file.
    ///   - arguments: Without the program's name.
    ///   - folder: Where it starts. Its records stand below `.perch` there; they have to stay until its end was seen.
    ///   - key: As a rule `context.idempotencyKey`.
    ///   - environment: Its variables, as `NAME=value`; nil: those of this process.
    /// - Throws: `PerchError` where it cannot be started.
    public static func start(
        _ path: String, _ arguments: [String] = [], in folder: String, key: String, environment: [String]? = nil
    ) throws -> DetachedProcess {
        guard folder.hasPrefix("/") else {
            throw PerchError(.invalid, "the folder of a detached process is an absolute path, not '\(folder)'")
        }
        guard access(path, X_OK) == 0 else {
            throw PerchError(.unavailable, "cannot start \(path): \(String(cString: strerror(errno)))")
        }
        let records = "\(folder)/.perch/\(name(of: key))"
        for directory in ["\(folder)/.perch", records] where mkdir(directory, 0o700) != 0 && errno != EEXIST {
            throw PerchError(.unavailable, "cannot make \(directory): \(String(cString: strerror(errno)))")
        }
        if let earlier = try recorded(in: records) { return earlier }
        try supervise(
            ["/bin/sh", "-c", supervisor, "sh", records, path] + arguments, in: folder,
            environment ?? inheritedEnvironment)
        guard let process = try recorded(in: records) else {
            throw PerchError(.unavailable, "the supervisor of \(path) could not write its records in \(records)")
        }
        return process
    }

    private static func recorded(in records: String) throws -> DetachedProcess? {
        guard let text = text(of: records + "/started") else { return nil }
        let parts = text.split(whereSeparator: { $0 == " " || $0 == "\n" })
        guard parts.count == 3, let pid = Int32(parts[0]), let start = Int64(parts[1]), let host = thisHost else {
            throw PerchError(.invalid, "\(records)/started is damaged: it does not name a process")
        }
        return DetachedProcess(pid: pid, startTime: start, bootID: String(parts[2]), host: host, records: records)
    }

    /// Starts a supervisor, and returns when it has its claim or has ended.
    private static func supervise(_ arguments: [String], in folder: String, _ variables: [String]) throws {
        var ends: [Int32] = [-1, -1]
        guard clinux_pipe(&ends) == 0 else {
            throw PerchError(.unavailable, "cannot make a pipe: \(String(cString: strerror(errno)))")
        }
        defer { close(ends[0]) }
        // Without the mark by which an engine finds what a bundle has left behind.
        let environment: [UnsafeMutablePointer<CChar>?] =
            variables.filter { !$0.hasPrefix("PERCH_BUNDLE_") }.map { strdup($0) } + [nil]
        let coded: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        defer { for text in environment + coded { free(text) } }
        var pid: pid_t = 0
        let failure = folder.withCString { folder in
            coded.withUnsafeBufferPointer { coded in
                environment.withUnsafeBufferPointer { environment in
                    var request = clinux_spawn(
                        path: coded[0], arguments: coded.baseAddress, environment: environment.baseAddress,
                        directory: folder, input: -1, output: ends[1], error: -1, leads_session: 1)
                    return clinux_spawn_process(&request, &pid)
                }
            }
        }
        close(ends[1])
        guard failure == 0 else {
            throw PerchError(.unavailable, "cannot start /bin/sh in \(folder): \(String(cString: strerror(failure)))")
        }
        children.withLock { children in
            var code: Int32 = 0
            var signal: Int32 = 0
            children.removeAll { clinux_reap($0, &code, &signal) != 0 }
            children.append(pid)
        }
        // It closes its end of the pipe by sending its output elsewhere.
        var watched = pollfd(fd: ends[0], events: Int16(POLLIN), revents: 0)
        var ready: Int32
        repeat { ready = poll(&watched, 1, 10_000) } while ready < 0 && errno == EINTR
        guard ready > 0 else {
            kill(-pid, SIGKILL)
            throw PerchError(.unavailable, "the supervisor, process \(pid), did not begin within 10 s")
        }
    }

    private static var inheritedEnvironment: [String] {
        var variables: [String] = []
        var variable = clinux_environment()
        while let text = variable?.pointee {
            variables.append(String(cString: text))
            variable = variable?.successor()
        }
        return variables
    }

    /// A file name for a key of any length: 128 bits of FNV-1a.
    private static func name(of key: String) -> String {
        func hash(_ seed: UInt64) -> String {
            let value = key.utf8.reduce(seed) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
            let digits = String(value, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }
        return hash(0xcbf2_9ce4_8422_2325) + hash(0x9e37_79b9_7f4a_7c15)
    }
}
