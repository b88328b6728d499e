// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchSDK

struct JobsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "jobs", abstract: "Show the processes that take part.", subcommands: [JobsListCommand.self])
}

struct JobsListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Every process of the home: what it is, and whether it lives.")

    @Option(
        name: .customLong("job-type"), help: "Only these: scheduler, triggerer, worker, api-server or bundle.")
    var jobType: String?
    @OptionGroup var home: HomeOption
    @OptionGroup var output: FormatOption

    private static let types = ["scheduler", "triggerer", "worker", "api-server", "bundle"]

    func validate() throws {
        guard let jobType, !Self.types.contains(jobType) else { return }
        throw ValidationError(
            "there is no job type '\(jobType)'; there are \(Self.types.joined(separator: ", "))")
    }

    func run() async throws {
        let (home, rows, versions, now) = try await home.withMetastore { home, metastore in
            try await metastore.read { snapshot in
                let versions = try snapshot.apiServers().map { ($0.process.processID, $0.version) }
                return (
                    home, try snapshot.processes(role: nil), Dictionary(uniqueKeysWithValues: versions), snapshot.now
                )
            }
        }
        var listing = Listing(
            output.format, columns: ["job_type", "pid", "host", "state", "started_at", "lease_until"])
        let schedulers = rows.filter { $0.role == SchedulerRow.role }
        // One that has the home, and is not in the table yet.
        if let engine = try home.engine(), !schedulers.contains(where: { $0.pid == engine.pid }),
            jobType == nil || jobType == SchedulerRow.role
        {
            try listing.add([
                [
                    "job_type": .text(SchedulerRow.role), "pid": .number(engine.pid.map { Int64($0) }),
                    "host": .text(try ProcessIdentity.current().host),
                    "state": .text("active"), "started_at": .text(nil), "lease_until": .text(nil),
                ]
            ])
        }
        try listing.add(
            (schedulers + rows.filter { $0.role != SchedulerRow.role }).filter { jobType == nil || $0.role == jobType }
                .map { row in
                    [
                        "job_type": .text(row.role), "process_id": .number(row.processID), "pid": .number(Int(row.pid)),
                        "host": .text(row.host), "state": .text(row.state(at: now)),
                        "started_at": .instant(row.startedAt), "lease_until": .instant(row.leaseUntil),
                        "version": .text(versions[row.processID] ?? nil),
                    ]
                })
        try listing.finish(empty: jobType.map { "no \($0) is running" } ?? "no process is running")
    }
}
