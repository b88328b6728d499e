// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Glibc
public import PerchSDK

/// The command line of a bundle's executable.
public enum PerchCommandLine {
    /// Runs the command that the arguments name, and ends the process with its exit code.
    ///
    /// - Parameters:
    ///   - bundle: The user's DAGs. Only the child that hosts task code makes one; no other command evaluates them.
    ///   - arguments: What follows the program's name. Nil: the arguments of the process.
    public static func main<Bundle: DAGBundle>(_ bundle: Bundle.Type, arguments: [String]? = nil) async {
        exit(await run(bundle, arguments: arguments ?? Array(CommandLine.arguments.dropFirst())))
    }

    /// Runs a command and gives its exit code.
    static func run<Bundle: DAGBundle>(_ bundle: Bundle.Type, arguments: [String]) async -> Int32 {
        signal(SIGPIPE, SIG_IGN)
        do {
            var arguments = arguments
            if let server = try RemoteServer(arguments, environment: ProcessEnvironment.current) {
                arguments = server.arguments
                if try RemoteCommands.isFor(server, NamedCommand(arguments, in: RootCommand<Bundle>.self).path) {
                    return try await server.run()
                }
            }
            var command = try RootCommand<Bundle>.parseAsRoot(arguments)
            if var waiting = command as? any AsyncParsableCommand {
                try await waiting.run()
            } else {
                try command.run()
            }
            try Console.shared.flush()
            return EXIT_SUCCESS
        } catch {
            return report(error, of: RootCommand<Bundle>.self, arguments)
        }
    }

    /// Writes help to standard output and an error as one line to standard error.
    private static func report(_ error: any Error, of root: any ParsableCommand.Type, _ arguments: [String]) -> Int32 {
        if let error = error as? PerchError {
            // One line for each problem of a declaration; everything else is one line.
            for line in "\(error)".split(separator: "\n") { Console.shared.say("error: \(line)") }
            return EXIT_FAILURE
        }
        let code = root.exitCode(for: error)
        if code == .success {
            print(root.fullMessage(for: error))
            return EXIT_SUCCESS
        }
        let named = NamedCommand(arguments, in: root)
        let isWrongUsage = code == .validationFailure
        let message = (isWrongUsage ? named.problem : nil) ?? explained(root.message(for: error), arguments)
        if !message.isEmpty {
            let hint = isWrongUsage ? " (see `\(named.call) --help`)" : ""
            Console.shared.say("error: " + message.split(separator: "\n").joined(separator: " ") + hint)
        }
        return code.rawValue
    }

    /// A value that begins with a minus is taken for an option; what is missed then stands there.
    private static func explained(_ message: String, _ arguments: [String]) -> String {
        let value = arguments.first { $0.hasPrefix("-") && $0.dropFirst().first?.isNumber == true }
        guard let value, message.hasPrefix("Missing") else { return message }
        return message + ": '\(value)' is taken for an option; it is written --name=\(value), or -- \(value) at the end"
    }
}
