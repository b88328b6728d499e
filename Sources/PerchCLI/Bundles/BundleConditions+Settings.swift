// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchExecutor
internal import PerchSDK

extension BundleConditions {
    /// What the settings say about bundle processes.
    /// - Throws: `PerchError` (`invalid`) that names the setting that cannot be kept.
    init(_ configuration: Configuration) throws {
        self.init(memoryLimit: configuration.number("bundle.memory_limit").map(UInt64.init))
        niceness = configuration.number("bundle.nice").map { Int($0) } ?? 0
        if niceness < 0, geteuid() != 0 {
            throw PerchError(
                .invalid,
                "bundle.nice is \(niceness), but only root may put processes before others, and this one runs as "
                    + "\(Person.name); it is a number from 0")
        }
        if let path = configuration.text("bundle.working_directory") {
            let directory = try Home.absolute(path)
            var status = stat()
            guard stat(directory, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
                throw PerchError(
                    .invalid,
                    "bundle.working_directory is '\(directory.shown(200))', which is no directory that is there")
            }
            workingDirectory = directory
        }
        environment = try configuration.variables("bundle.environment")
        user = try configuration.text("bundle.user").flatMap { try BundleUser.find($0) }
    }
}

extension Configuration {
    /// The variables behind a setting; none where it is not set.
    func variables(_ name: String) throws -> [String: String?] {
        guard let entry = entries.first(where: { $0.key.name == name }), let value = entry.value else { return [:] }
        return try entry.key.variables(value)
    }
}
