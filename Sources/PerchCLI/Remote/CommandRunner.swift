// SPDX-License-Identifier: Apache-2.0

internal import Dispatch
internal import Glibc
internal import PerchAPIServer
internal import PerchProcess
internal import PerchSDK

/// Runs the commands that come over HTTP, each in a process of its own, as if it were typed on this machine: it opens the home
/// itself, and can do the server no harm.
struct CommandRunner: CommandDesk {
    /// How the process that runs a command knows who sent it. Whoever can set it can also write to the home.
    static let personVariable = "PERCH_REMOTE_PERSON"

    private let home: String
    private let program: String
    /// So many run at a time; others wait for their turn.
    private static let most = 4
    /// How long one may take, in microseconds.
    private static let longest: Int64 = 120_000_000
    private static let mostOutput = 16 << 20
    private let queue = DispatchQueue(label: "perch-api-commands", attributes: .concurrent)
    private let turns = DispatchSemaphore(value: most)
    private let name: @Sendable ([String]) -> [String]

    /// - Parameters:
    ///   - home: What the server serves.
    ///   - name: The words of a command line that name its command.
    init(home: Home, name: @escaping @Sendable ([String]) -> [String]) {
        self.home = home.path
        self.name = name
        program = "/proc/self/exe"
    }

    func right(toGive arguments: [String]) throws -> APIRight {
        guard arguments.allSatisfy({ !$0.utf8.contains(0) }) else {
            throw PerchError(.invalid, "an argument holds a zero byte")
        }
        return try RemoteCommands.right(toGive: name(arguments), arguments)
    }

    func run(_ command: CommandCall) async throws -> CommandEnd {
        let result: Result<CommandEnd, any Error> = await withCheckedContinuation { continuation in
            queue.async {
                turns.wait()
                defer { turns.signal() }
                continuation.resume(returning: Result { try collect(command) })
            }
        }
        return try result.get()
    }

    private func collect(_ command: CommandCall) throws -> CommandEnd {
        let input = try reader(of: command.input)
        var environment = ChildProcess.environment.filter { variable in
            !["PERCH_HOME=", "PERCH_URL=", "PERCH_TOKEN=", "TERM="].contains { variable.hasPrefix($0) }
        }
        environment += ["PERCH_HOME=\(home)", "\(Self.personVariable)=\(command.person)"]
        let child: ChildProcess
        do throws(ChildProcess.Failure) {
            // The child has its own, and nobody else may: the writer is to see that it has gone.
            defer { close(input) }
            child = try ChildProcess.start(
                path: program, arguments: [CommandLine.arguments.first ?? "perch"] + command.arguments,
                environment: environment, input: input, leadsSession: true)
        } catch {
            throw PerchError(.unavailable, "the command cannot be started: \(error)")
        }
        defer { child.closeDescriptors() }
        guard let end = child.collect(timeout: Self.longest, longest: Self.mostOutput) else {
            throw PerchError(
                .unavailable, "the command took longer than \(Self.longest / 1_000_000) s, and was ended")
        }
        guard !end.isCut else {
            throw PerchError(
                .invalid, "the command has written more than \(Self.mostOutput >> 20) MiB; ask for less, as by --limit")
        }
        guard case .code(let code) = end.status else {
            throw PerchError(.unavailable, "the command's process \(end.status)")
        }
        return CommandEnd(
            exitCode: Int(code), output: String(decoding: end.output, as: UTF8.self),
            errors: String(decoding: end.errors, as: UTF8.self))
    }

    /// The end of a pipe at which a text is read, written by a thread of its own: what is long waits for its reader.
    private func reader(of text: String) throws -> Int32 {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else {
            throw PerchError(.unavailable, "no pipe for the command's input: \(String(cString: strerror(errno)))")
        }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let (reading, writing) = (ends[0], ends[1])
        queue.async {
            defer { close(writing) }
            let bytes = Array(text.utf8)
            var written = 0
            while written < bytes.count {
                let count = bytes[written...].withUnsafeBytes { write(writing, $0.baseAddress, $0.count) }
                if count < 0, errno == EINTR { continue }
                // Whoever does not read on has ended, and says why.
                guard count > 0 else { return }
                written += count
            }
        }
        return reading
    }
}

/// A command that came over HTTP.
enum RemoteOrigin {
    /// Who sent it; nil: it was typed on this machine.
    static var person: String? { ProcessEnvironment.current[CommandRunner.personVariable] }

    /// Refuses a file of the server's machine, which the sender does not mean.
    static func refuseFile(_ path: String?) throws {
        guard person != nil, let path, path != "-" else { return }
        throw PerchError(
            .invalid,
            "a server reads and writes no files for a command: write - for standard input or output, not \(path)")
    }
}
