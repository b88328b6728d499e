// SPDX-License-Identifier: Apache-2.0

import ProgramTestSupport
import Testing

/// A database that every driver's tests run on.
enum Ground: String {
    case sqlite = "SQLite"
    case postgres = "PostgreSQL"

    /// That of the test which runs.
    @TaskLocal static var current = Ground.sqlite

    /// Those that this machine has.
    static var all: [Ground] { PostgresCluster.programs == nil ? [.sqlite] : [.sqlite, .postgres] }
}

/// Runs a test once on each driver: the conformance suite.
struct OnEveryGround: SuiteTrait, TestTrait, TestScoping {
    var isRecursive: Bool { true }

    @concurrent func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @concurrent @Sendable () async throws -> Void
    ) async throws {
        for ground in Ground.all {
            // What fails says where.
            let naming = IssueHandlingTrait.compactMapIssues { issue in
                var issue = issue
                issue.comments.append("on \(ground.rawValue)")
                return issue
            }
            try await naming.provideScope(for: test, testCase: testCase) {
                try await Ground.$current.withValue(ground) { try await function() }
            }
        }
    }
}

extension Trait where Self == OnEveryGround {
    static var onEveryGround: Self { OnEveryGround() }
}
