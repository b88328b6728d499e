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
        let message = root.message(for: error)
        if !message.isEmpty {
            let hint = code == .validationFailure ? " (see `\(command(of: arguments, in: root)) --help`)" : ""
            Console.shared.say("error: " + message.split(separator: "\n").joined(separator: " ") + hint)
        }
        return code.rawValue
    }

    /// The command that arguments name, with the program: as far as they name one.
    static func command(of arguments: [String], in root: any ParsableCommand.Type) -> String {
        var names = [ProgramName.current]
        var current = root
        for argument in arguments {
            let next = current.configuration.subcommands.first { command in
                command._commandName == argument || command.configuration.aliases.contains(argument)
            }
            guard let next else { break }
            names.append(argument)
            current = next
        }
        return names.joined(separator: " ")
    }
}
