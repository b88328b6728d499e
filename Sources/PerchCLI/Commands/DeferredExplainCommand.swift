// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchSDK

struct DeferredExplainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain", abstract: "What a wait looks at, what was last seen, what comes next.",
        discussion: "Asks the triggerer. Without one it tells what was stored last, and when that was.")

    @Argument(help: "The wait's id, as `deferred list` shows it.") var waitID: Int64
    @OptionGroup var home: HomeOption
    @OptionGroup var output: FormatOption

    func run() async throws {
    }
}
