// SPDX-License-Identifier: Apache-2.0

package import PerchSDK

extension Transaction {
    /// Counts a log-in that has failed, for each of its subjects. What is older than the memory is forgotten, and begins anew.
    package func loginFailed(_ subjects: [String], memory: TimeSpan) throws {
        try run(
            "DELETE FROM login_failure WHERE last_at <= :1", now + TimeSpan(microseconds: -memory.microseconds))
        for subject in subjects {
            try run(
                """
                INSERT INTO login_failure (subject, failures, last_at) VALUES (:1, 1, :2)
                ON CONFLICT (subject) DO UPDATE SET failures = login_failure.failures + 1, last_at = excluded.last_at
                """, subject, now)
        }
    }

    /// Forgets what a subject has failed.
    package func loginSucceeded(_ subject: String) throws {
        try run("DELETE FROM login_failure WHERE subject = :1", subject)
    }
}

extension Snapshot {
    /// How often log-ins of a subject have failed, and when the last one has; nil: never of late.
    package func loginFailures(of subject: String) throws -> (failures: Int, lastAt: Timestamp)? {
        try first("SELECT failures, last_at FROM login_failure WHERE subject = :1", subject) {
            (failures: $0.int(0), lastAt: $0.time(1))
        }
    }
}
