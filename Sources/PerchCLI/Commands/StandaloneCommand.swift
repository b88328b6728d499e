// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchSDK

struct StandaloneCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "standalone", abstract: "Run everything in this process: scheduler, executor, triggerer.")
    @OptionGroup var settings: SettingsOption
    @OptionGroup var home: HomeOption
    func run() async throws {}
}
