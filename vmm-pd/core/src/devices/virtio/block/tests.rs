mod hostile;
mod requests;
mod world;
