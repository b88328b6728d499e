// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// A wait for the end of a process whose parts are templates: which process that is, is known when the wait begins.
///
/// It is stored as a `ProcessTrigger` is, with texts in place of the numbers.
package struct ProcessTemplate: Trigger {
    package typealias Event = ProcessEnd
    package static let kind = ProcessTrigger.kind

    /// The parts of a `DetachedProcess`, under the names that those have when they are stored.
    package struct Parts: Codable, Hashable, Sendable {
        var pid: String
        var startTime: String
        var bootID: String
        var host: String
        var records: String?

        enum CodingKeys: String, CodingKey {
            case pid, host, records
            case startTime = "start_time"
            case bootID = "boot_id"
        }

        package init(pid: String, startTime: String, bootID: String, host: String, records: String?) {
            self.pid = pid
            self.startTime = startTime
            self.bootID = bootID
            self.host = host
            self.records = records
        }
    }

    let process: Parts

    package init(_ process: Parts) { self.process = process }

    package var target: String { "\(process.pid):\(process.startTime):\(process.bootID)" }
}
