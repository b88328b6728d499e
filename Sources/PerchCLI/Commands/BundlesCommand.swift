// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchSDK

struct BundlesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bundles", abstract: "Try and deploy executables that serve as bundles, in any language.",
        subcommands: [
            BundlesCheckCommand.self, BundlesListCommand.self, BundlesDeployCommand.self, BundlesRollbackCommand.self,
            BundlesVersionsCommand.self, BundlesRemoveCommand.self,
        ])
}

struct BundlesCheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Try from outside whether an executable speaks the bundle protocol.",
        discussion: """
            Starts the executable as an engine does, once for each check, and tries it: hello, description, what it \
            does not know, what is too long, garbage, its ends. No code of a task is run unless --task names one: that \
            one is run several times, its steps are done, and its waits end at once. Exit code 1 where a check fails.
            """)

    @Argument(help: "The bundle's executable.", completion: .file()) var executable: String
    @Option(
        name: .long, help: ArgumentHelp("A task whose code may be run for the try.", valueName: "dag/task"))
    var task: String?
    @Option(
        name: .long,
        help: ArgumentHelp("How long it has for each answer, as 500ms or 30s. Default: 10s.", valueName: "span"))
    var timeout: String?
    @OptionGroup var output: FormatOption

    func validate() throws {
        _ = try patience()
        _ = try taskID()
    }

    private func patience() throws -> TimeSpan {
        guard let timeout else { return .seconds(10) }
        let span: TimeSpan
        do throws(PerchError) {
            span = try TimeSpan(parsing: timeout)
        } catch {
            throw ValidationError("--timeout: \(error.message)")
        }
        guard span.microseconds > 0, span <= .seconds(3_600) else {
            throw ValidationError("--timeout is \(span); it is above 0 and an hour at most")
        }
        return span
    }

    private func taskID() throws -> (dagID: String, taskID: String)? {
        guard let task else { return nil }
        let parts = task.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, !parts.contains("") else {
            throw ValidationError("--task is '\(task.shown())'; it is written DAG/TASK")
        }
        return (parts[0], parts[1])
    }

    func run() throws {
        let executable = try BundleExecutable(executable)
        var checks = BundleChecks(executable, patience: try patience(), clock: SystemClock(), task: try taskID())
        var listing = Listing(output.format)
        let count = try checks.run { outcome in
            if output.format == .table {
                // No heading and no cut: a line is there as soon as its check is, and its reason whole.
                try Console.shared.line(SafeText.neutralised(outcome.line))
            } else {
                try listing.add([
                    [
                        "check": .text(outcome.check), "result": .text(outcome.result.rawValue),
                        "reason": .text(outcome.reason),
                    ]
                ])
            }
            try Console.shared.flush()
        }
        if output.format != .table { try listing.finish(empty: "no checks") }
        guard count.failed == 0 else {
            throw PerchError(
                .invalid,
                count.all == 1
                    ? "\(executable.path.shown(200)) is no bundle that this engine can use"
                    : "\(count.failed) of \(count.all) checks failed")
        }
    }
}
