from artcore.studio import server

server.run(settings=server.Settings(tabs=("painter",)))
