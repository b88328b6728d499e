// SPDX-License-Identifier: Apache-2.0

import Perch

/// Puts a request into a folder that another program watches, and waits for the file with the result.
struct SpoolJob: Operator {
    struct Result: Codable, Sendable {
        var text: String
    }

    /// What the request and the result are called. Templates are filled in.
    let name: String
    /// Where requests and results lie. Templates are filled in.
    let folder: String

    static let operatorName = "SpoolJob"
    /// There is something to take back when the task is cancelled while it waits.
    static let hasOnKill = true
    /// So that an unknown name in a template is found when the DAG is declared.
    var templates: [String] { [name, folder] }

    func execute(_ context: TaskContext) async throws -> Result {
        let name = try await context.render(name)
        let spool = Spool(folder: try await context.render(folder))
        context.onKill { try spool.withdraw(name) }

        // Done once, whatever crashes. Were it not a step, it would be done again after the wait.
        try await context.step("request") { try spool.request(name) }

        // Gives the worker up. When the file is there the code runs again from the top, and this line has its answer.
        let file = try await context.wait(for: .file("\(spool.folder)/\(name).result"), timeout: .hours(1))
        return Result(text: try spool.read(file.path))
    }
}

extension Operator where Self == SpoolJob {
    /// Hands work to the program that watches `folder`, and gives what it left.
    static func spool(_ name: String, folder: String) -> SpoolJob {
        SpoolJob(name: name, folder: folder)
    }
}
