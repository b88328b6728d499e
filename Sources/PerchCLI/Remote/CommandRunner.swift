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
    private let name: @Sendable ([String]) -> [String]
    /// Commands that come to an end by themselves wait for one another, and each has its time.
    private let turns = Turns(most: 4, waiting: 64)
    private static let longest = TimeSpan.seconds(120)
    /// Those that go on do not.
    private let places = Turns(most: 32)
    private let writers = DispatchQueue(label: "perch-api-command-input", attributes: .concurrent)

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

    func start(_ command: CommandCall) async throws -> any StartedCommand {
        guard !RemoteCommands.goesOn(name(command.arguments), command.arguments) else {
            guard let place = places.takeIfFree() else {
                throw PerchError(.unavailable, "as many commands as may follow something do so; end one")
            }
            return try start(command, turn: place, longest: nil)
        }
        guard let ticket = turns.ticket() else {
            throw PerchError(.unavailable, "more commands wait for their turn than may; come again")
        }
        return QueuedCommand(turns, ticket) { try start(command, turn: $0, longest: Self.longest) }
    }

    private func start(_ command: CommandCall, turn: Turns.Turn, longest: TimeSpan?) throws -> RunningCommand {
        let input = try reader(of: command.input)
        // The child has its own, and nobody else may: the writer is to see that it has gone.
        defer { close(input) }
        var environment = ChildProcess.environment.filter { variable in
            !["PERCH_HOME=", "PERCH_URL=", "PERCH_TOKEN=", "TERM="].contains { variable.hasPrefix($0) }
        }
        environment += ["PERCH_HOME=\(home)", "\(Self.personVariable)=\(command.person)"]
        do throws(ChildProcess.Failure) {
            let child = try ChildProcess.start(
                path: program, arguments: [CommandLine.arguments.first ?? "perch"] + command.arguments,
                environment: environment, input: input, leadsSession: true)
            return RunningCommand(child, turn: turn, longest: longest)
        } catch {
            throw PerchError(.unavailable, "the command cannot be started: \(error)")
        }
    }

    /// The end of a pipe at which a text is read, written by a thread of its own: what is long waits for its reader.
    private func reader(of text: String) throws -> Int32 {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else {
            throw PerchError(.unavailable, "no pipe for the command's input: \(String(cString: strerror(errno)))")
        }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let (reading, writing) = (ends[0], ends[1])
        writers.async {
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
